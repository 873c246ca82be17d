"""Files that appear whole, and file-system failures in our own words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wsiseg.errors import OutputError, WsisegError

Json = dict[str, object]

UNFINISHED = ".partial"
"""Ends the name of a file until it is complete."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn failures of the file system into :class:`OutputError`."""
    try:
        yield
    except WsisegError:
        # Some of ours are OSErrors, too, and have said already what is wrong.
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"writing failed: {reason}", error.filename or path) from error


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears complete or not at all."""
    unfinished = path.with_name(path.name + UNFINISHED)
    with translated(path):
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)


def write_json(path: Path, content: object) -> None:
    """Write JSON that appears complete or not at all."""
    write_whole(path, json.dumps(content, indent=2) + "\n")
