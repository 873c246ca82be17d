"""Loading a checkpoint by whatever a user calls it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wsiseg.checkpoints.addresses import Address
from wsiseg.checkpoints.sources import read_source
from wsiseg.checkpoints.verifying import Began
from wsiseg.demo.checkpoints import DEFAULT
from wsiseg.errors import RuntimeUnavailableError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.checkpoint import load_checkpoint as load_file


def load_checkpoint(source: Path | str, *, to_train: bool = False) -> Checkpoint:
    """Load a checkpoint: a bundled one by its name, a file, or what an address names.

    Parameters
    ----------
    source : path-like
        ``nuclei`` or another name of ``wsiseg models list --checkpoints``, a ``.safetensors`` file,
        or an address: ``https://…``, ``s3://…``, ``hf://OWNER/NAME[/FILE][@REVISION]``, at its end
        ``#sha256=…`` if it is to be verified.  What is fetched stays in the user's cache folder.
    to_train : bool
        Accept a checkpoint of which only the encoder has been trained.

    Returns
    -------
    Checkpoint
        With its network on the CPU, in evaluation mode.

    Raises
    ------
    CheckpointError
        If it is missing, damaged or of another kind, cannot be fetched, or has another hash.
    RuntimeUnavailableError
        If the package that reads such addresses is not installed.
    OutputError
        If the download cannot be kept.

    Examples
    --------
    >>> checkpoint = load_checkpoint("nuclei")
    >>> checkpoint.mpp, [each.name for each in checkpoint.classes]
    (0.5, ['glass', 'tissue', 'nucleus'])
    """
    checkpoint = take_checkpoint(source, to_train=to_train)
    for note in checkpoint.notes:
        warnings.warn(note, stacklevel=2)
    return checkpoint


def take_checkpoint(
    source: Checkpoint | Path | str | None, *, to_train: bool = False, began: Began | None = None
) -> Checkpoint:
    """Return the checkpoint that a job was given, for jobs that pass on its notes themselves.

    Parameters
    ----------
    source : Checkpoint or path-like or None
        As :func:`load_checkpoint`; the default one if None.
    to_train : bool
        Accept a checkpoint of which only the encoder has been trained.
    began : callable, optional
        Told when a download begins.

    Raises
    ------
    CheckpointError, RuntimeUnavailableError, OutputError
        As :func:`load_checkpoint`.
    """
    if isinstance(source, Checkpoint):
        return source
    path, named, notes = find_checkpoint(DEFAULT if source is None else source, began)
    checkpoint = load_file(path, to_train=to_train)
    checkpoint.source, checkpoint.notes = named, notes
    return checkpoint


def find_checkpoint(
    source: Path | str, began: Began | None = None
) -> tuple[Path, str | None, tuple[str, ...]]:
    """Return the file of a checkpoint on this machine, fetched if need be.

    Parameters
    ----------
    source : path-like
        As :func:`load_checkpoint` takes it.
    began : callable, optional
        Told when a download begins.

    Returns
    -------
    Path, str or None, tuple of str
        The file; its name or address if the user named no file; and what was assumed.

    Raises
    ------
    CheckpointError, RuntimeUnavailableError, OutputError
        As :func:`load_checkpoint`.
    """
    found = read_source(source)
    if isinstance(found, Path):
        return found, None if found == Path(source) else str(source), ()
    tell = began or (lambda _: None)
    with _installed(found):
        if found.scheme == "hf":
            from wsiseg.checkpoints.hub import fetch_from_hub

            path, notes = fetch_from_hub(found, tell)
        else:
            from wsiseg.checkpoints.fetching import fetch

            path, notes = fetch(found, tell)
    return path, str(found), notes


@contextmanager
def _installed(address: Address) -> Iterator[None]:
    """Translate that a package is missing."""
    try:
        yield
    except ImportError as error:
        extra = "hub" if address.scheme == "hf" else "remote"
        raise RuntimeUnavailableError(
            f"the package that reads such addresses is not installed: {error}",
            address,
            f"Install it with: pip install 'wsiseg[{extra}]'",
        ) from error
