"""Reads tiled TIFFs of labels, one file tile after the other."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from wsiseg.errors import AnnotationError
from wsiseg.tiling.boxes import Box

Values = npt.NDArray[Any]


class TiledValues:
    """The values of a tiled TIFF page, of which slices are read on demand.

    The file stays open for as long as the object lives.

    Parameters
    ----------
    path : Path
        The file.
    file : TiffFile
        Open; closed with this object.
    page : TiffPage
        Tiled, its samples interleaved.
    """

    def __init__(self, path: Path, file: tifffile.TiffFile, page: tifffile.TiffPage) -> None:
        self._path = path
        self._file = file
        self._page = page
        self._lock = threading.Lock()
        samples = (page.samplesperpixel,) if page.samplesperpixel > 1 else ()
        self.shape: tuple[int, ...] = (page.imagelength, page.imagewidth, *samples)
        weakref.finalize(self, file.close)

    def __getitem__(self, key: tuple[slice, slice]) -> Values:
        """Return rows and columns, both slices of step 1.

        Raises
        ------
        AnnotationError
            If a tile cannot be decoded.
        """
        (top, bottom, _), (left, right, _) = (
            cut.indices(length) for cut, length in zip(key, self.shape[:2], strict=True)
        )
        box = Box(top, left, max(0, bottom - top), max(0, right - left))
        values = np.zeros((*box.shape, *self.shape[2:]), self._page.dtype)
        height, width = self._page.tilelength, self._page.tilewidth
        columns = -(-self.shape[1] // width)
        for row in range(box.y // height, -(-box.bottom // height)):
            for column in range(box.x // width, -(-box.right // width)):
                place = Box(row * height, column * width, height, width)
                self._fill(values, box, place, row * columns + column)
        return as_displayed(values, self._page)

    def _fill(self, values: Values, box: Box, place: Box, index: int) -> None:
        """Copy what a file tile knows of a box; tiles that were never written are 0."""
        page = self._page
        try:
            with self._lock:
                self._file.filehandle.seek(page.dataoffsets[index])
                data = self._file.filehandle.read(page.databytecounts[index])
            tile = page.decode(data, index, jpegtables=page.jpegtables)[0] if data else None
        except Exception as error:
            # Damaged data makes the decoders stumble in any way there is.
            raise AnnotationError(
                f"tile {index} of the labels cannot be decoded: {error}", self._path
            ) from error
        if tile is None:
            return
        known = Box(place.y, place.x, *tile.shape[1:3])
        part = known.intersection(box)
        decoded = tile[0].reshape(*known.shape, *self.shape[2:])
        values[part.slices_in(box)] = decoded[part.slices_in(known)]


def as_displayed(values: Values, page: tifffile.TiffPage) -> Values:
    """Return values as other programs display them: one bit is 0 or 255, and 0 may be white.

    Parameters
    ----------
    values : ndarray
        Decoded values.
    page : TiffPage
        Its photometric interpretation counts.
    """
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and values.dtype.kind in "bu":
        values = np.invert(values)
    return values * np.uint8(255) if values.dtype == np.bool_ else values
