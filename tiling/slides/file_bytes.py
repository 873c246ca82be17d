"""Positional reads of a file, safe for many threads and for forked processes."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable
from pathlib import Path

from wsiseg.remote.reading import RemoteBytes
from wsiseg.remote.remote_path import RemotePath


class FileBytes:
    """An open file read by position (``pread``), so that threads share no file pointer.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._lock = threading.Lock()
        # A viewer cannot tell when the last of its arrays lets go of the slide.
        self.close = weakref.finalize(self, self._file.close)

    def fetch(self, spans: Iterable[tuple[int, int]]) -> None:
        """Do nothing: of a file on this machine nothing has to be fetched."""

    def read(self, start: int, count: int) -> bytes:
        """Return `count` bytes from `start` on, fewer at the file's end.

        Parameters
        ----------
        start : int
            Position of the first byte.
        count : int
            How many bytes.

        Raises
        ------
        OSError
            If they cannot be read.
        ValueError
            If the file is closed.
        """
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), count, start)
        with self._lock:
            self._file.seek(start)
            return self._file.read(count)


def open_bytes(path: Path) -> FileBytes | RemoteBytes:
    """Open a file, here or behind an address, to be read by position.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    return RemoteBytes(path.url) if isinstance(path, RemotePath) else FileBytes(path)
