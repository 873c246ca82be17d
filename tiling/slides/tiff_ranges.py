"""Pixels that lie in a file as one array, read by ranges where the file cannot be mapped."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.remote.objects import ReadableObject, WritableObject


class RangeArray:
    """A page that needs no decoding, of which each row of a rectangle is a range.

    Parameters
    ----------
    source : object behind an address
        The file.
    start : int
        Where the page begins in it.
    dtype : numpy.dtype
        Of its samples.
    shape : tuple of int
        ``(height, width, samples)``.
    """

    def __init__(
        self,
        source: WritableObject | ReadableObject,
        start: int,
        dtype: np.dtype[Any],
        shape: tuple[int, int, int],
    ) -> None:
        self.shape = shape
        self._source, self._start, self._dtype = source, start, dtype

    def __getitem__(self, place: tuple[slice, slice]) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Return rows and columns."""
        _, width, samples = self.shape
        rows, columns = place
        pixel = samples * self._dtype.itemsize
        count = (columns.stop - columns.start) * pixel
        spans = [
            (self._start + (y * width + columns.start) * pixel, count)
            for y in range(rows.start, rows.stop)
        ]
        content = b"".join(self._source.read(spans))
        return np.frombuffer(content, self._dtype).reshape(len(spans), -1, samples)
