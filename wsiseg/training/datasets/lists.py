"""Lists of names, one a line, as people write them and data sets bring them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from wsiseg.errors import DataSetError
from wsiseg.text import decode_text

_LARGEST = 1 << 26


def read_list(path: Path, hint: str | None = None) -> list[str]:
    """Return the lines of a list, without blanks around them, in the order of the file.

    Empty lines and comments, which begin with ``#`` and a blank, are passed over.

    Parameters
    ----------
    path : Path
        A text in UTF-8 or UTF-16.
    hint : str, optional
        For errors: what should stand in it.

    Raises
    ------
    DataSetError
        If it cannot be read, or names nothing.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise DataSetError("the list of names has more than 64 MiB", path, hint)
        text = decode_text(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise DataSetError(f"the list of names cannot be read: {reason}", path, hint) from error
    lines = (unicodedata.normalize("NFC", line.strip()) for line in text.splitlines())
    names = [line for line in lines if line and not _is_comment(line)]
    if not names:
        raise DataSetError("the list of names is empty", path, hint)
    return names


def _is_comment(line: str) -> bool:
    return line.startswith("#") and not line[1:2].strip("# ")
