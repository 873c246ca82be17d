"""Files that appear whole, and file-system failures in our own words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wsiseg.error_translation import reason
from wsiseg.errors import OutputError, WsisegError

Json = dict[str, object]

UNFINISHED = ".partial"
"""Ends the name of a file until it is complete."""


@contextmanager
def translate_write_errors(path: Path) -> Iterator[None]:
    """Turn failures of the file system, and of whatever writes, into :class:`OutputError`."""
    try:
        yield
    except WsisegError:
        raise
    except Exception as error:
        where = getattr(error, "filename", None) or path
        raise OutputError(f"writing failed: {reason(error)}", where) from error


def write_atomically(path: Path, text: str) -> None:
    """Write a file that appears complete or not at all."""
    unfinished = path.with_name(path.name + UNFINISHED)
    with translate_write_errors(path):
        # Bytes of a file's name that are no text are written as the bytes that they are.
        unfinished.write_text(text, encoding="utf-8", errors="surrogateescape", newline="\n")
        unfinished.replace(path)


def write_json(path: Path, content: object) -> None:
    """Write JSON that appears complete or not at all."""
    write_atomically(path, json.dumps(content, indent=2) + "\n")
