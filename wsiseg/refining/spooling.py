"""Rows of labels that may be read again: what lies between two steps."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import imagecodecs
import numpy as np

from wsiseg.annotations.labels import Labels
from wsiseg.remote.addresses import is_remote
from wsiseg.store.disk import translate_write_errors

Rows = Callable[[], Iterator[Labels]]
"""Gives all rows of a mask from its first, some at a time, as often as it is called."""

_LEVEL = 1


@contextmanager
def spool(strips: Iterable[Labels], folder: Path) -> Iterator[Rows]:
    """Keep rows in a file without a name, compressed, as a context manager.

    Parameters
    ----------
    strips : iterable of ndarray
        uint8 ``(n, width)``: all rows, some at a time.
    folder : Path
        Where the file is; it vanishes in the end, and if the program is killed.

    Yields
    ------
    callable
        Gives the strips again.

    Raises
    ------
    OutputError
        If the disk is full, for instance.
    """
    pieces: list[tuple[int, int, tuple[int, ...]]] = []
    with translate_write_errors(folder):
        # Beside the mask there is room for it; behind an address, no file.
        file = tempfile.TemporaryFile(dir=None if is_remote(folder) else folder)  # noqa: SIM115, closed below
    with file:
        for strip in strips:
            packed = imagecodecs.zstd_encode(strip.tobytes(), level=_LEVEL)
            with translate_write_errors(folder):
                pieces.append((file.tell(), len(packed), strip.shape))
                file.write(packed)

        def read() -> Iterator[Labels]:
            for place, size, shape in pieces:
                file.seek(place)
                content = imagecodecs.zstd_decode(file.read(size))
                yield np.frombuffer(content, np.uint8).reshape(shape)

        yield read
