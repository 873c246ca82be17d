"""What a user may write for a checkpoint: a bundled name, a file, or an address."""

from __future__ import annotations

import difflib
import reprlib
from pathlib import Path

from wsiseg.checkpoints.addresses import Address, is_address, parse_address
from wsiseg.demo.checkpoints import bundled_checkpoints
from wsiseg.errors import CheckpointError
from wsiseg.tiling.slides import url_or_path

_LONGEST = 100
"""Letters of a word with which names are compared."""


def settle_source(source: Path | str) -> str:
    """Return a source so that it means the same in any folder.

    Names and addresses stay as they are, and so do words that :func:`read_source` refuses; files
    become absolute.

    Parameters
    ----------
    source : path-like
        As :func:`read_source` takes it.

    Examples
    --------
    >>> settle_source("nuclei"), settle_source("hf://lab/nuclei")
    ('nuclei', 'hf://lab/nuclei')
    """
    text = _text(source)
    word = isinstance(source, str) and (text in bundled_checkpoints() or _is_unknown(text))
    return text if word or is_address(text) else str(Path(text).absolute())


def read_source(source: Path | str) -> Path | Address:
    """Tell names, files and addresses apart.

    Parameters
    ----------
    source : path-like
        The name of a bundled checkpoint, which goes before a file of that name; ``./nuclei`` or a
        :class:`~pathlib.Path` is the file.

    Returns
    -------
    Path or Address
        A file on this machine, whether it exists or not, or where to fetch one.

    Raises
    ------
    CheckpointError
        For a word that is neither a bundled name nor a file; or for an unknown kind of address.
    ArgumentError
        For an impossible hash.
    """
    text = _text(source)
    if is_address(text):
        return parse_address(text)
    bundled = bundled_checkpoints()
    if isinstance(source, str) and text in bundled:
        return bundled[text]
    path = Path(text)
    if isinstance(source, str) and _is_unknown(text):
        near = difflib.get_close_matches(path.stem.lower()[:_LONGEST], bundled, n=1)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise CheckpointError(
            f"there is no checkpoint {reprlib.repr(text)}, neither a file nor a bundled one",
            None,
            f"{meant}Bundled: {', '.join(bundled)}; else name a file, or an address of https://, "
            "s3:// or hf://.",
        )
    return path


def _is_unknown(text: str) -> bool:
    """Tell whether a text is a word, without a folder, that no file is called."""
    path = Path(text)
    try:
        return not text or (path.name == text and not path.exists())
    except OSError:
        # No file can be called so.
        return True


def _text(source: Path | str) -> str:
    """Return a source as text; a path has swallowed a slash of the address that it stands for."""
    return url_or_path(source) if isinstance(source, Path) else source
