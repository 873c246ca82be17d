"""A ring buffer of rows, which a stitcher merges tiles into."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.tiling.boxes import Box


class RowRing:
    """Rows of a window that can still change, in a ring buffer: row y lies at y modulo its height.

    Memory is allocated once, and grows only if tiles come out of order.

    Parameters
    ----------
    planes : int
        Arrays side by side, one per class for instance.
    window : Box
        The part of the plane that is stitched; rows are as wide.
    height : int
        Rows that the buffer holds at first.
    dtype : dtype
        Of the values.
    empty : int
        Value of rows that nothing has been written to.
    """

    def __init__(
        self, planes: int, window: Box, height: int, dtype: npt.DTypeLike, empty: int
    ) -> None:
        self._window = window
        self._empty = empty
        self._top = window.y
        self._ring = np.full((planes, height, window.width), empty, dtype)

    def views(self, place: Box) -> list[tuple[slice, npt.NDArray[Any]]]:
        """Return writable views of a box, split where the ring wraps around.

        Parameters
        ----------
        place : Box
            In pixels of the plane, within the rows that are held.

        Returns
        -------
        list of (slice, ndarray)
            Rows of the box, and the view ``(planes, rows, width)`` of them.
        """
        height, columns = (
            self._ring.shape[1],
            slice(place.x - self._window.x, place.right - self._window.x),
        )
        found = []
        done = 0
        while done < place.height:
            start = (place.y + done) % height
            count = min(place.height - done, height - start)
            view = self._ring[:, start : start + count, columns]
            found.append((slice(done, done + count), view))
            done += count
        return found

    def put(self, place: Box, values: npt.NDArray[Any]) -> None:
        """Write values to a box.

        Parameters
        ----------
        place : Box
            In pixels of the plane.
        values : ndarray
            ``(planes, height, width)``.
        """
        for part, view in self.views(place):
            view[...] = values[:, part]

    def take(self, place: Box) -> npt.NDArray[Any]:
        """Return a copy of the topmost rows and free them."""
        taken = np.concatenate([view for _, view in self.views(place)], axis=1)
        self.drop(place)
        return taken

    def drop(self, place: Box) -> None:
        """Clear and free the topmost rows."""
        for _, view in self.views(place):
            view[...] = self._empty
        self.pass_over(place)

    def pass_over(self, place: Box) -> None:
        """Free the topmost rows, which were never written to."""
        self._top = place.bottom

    def reach(self, bottom: int) -> None:
        """Make room for all rows above `bottom`."""
        height = bottom - self._top
        if height <= self._ring.shape[1]:
            return
        held = Box(self._top, self._window.x, self._ring.shape[1], self._window.width)
        parts = [(part, view.copy()) for part, view in self.views(held)]
        shape = (len(self._ring), height, self._window.width)
        self._ring = np.full(shape, self._empty, self._ring.dtype)
        for part, values in parts:
            rows = Box(held.y + part.start, held.x, part.stop - part.start, held.width)
            self.put(rows, values)
