"""What of a painting somebody has looked at: brush strokes, and fields that are marked as checked.

A painting that begins as a prediction is for the most part a prediction still.  Only what was
painted over, with a margin, or lies in a checked field is an annotation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from wsiseg.annotations.labels import Labels
from wsiseg.tiling.bands import NO_LABEL

REVIEW = "wsiseg review"
"""Key in a painting's metadata under which its :class:`Review` is kept."""

MARGIN = 16
"""Pixels around a stroke that count as seen, unless the user says otherwise."""

_STEPS = 100
"""Of napari's undo."""

Mask = npt.NDArray[np.bool_]


class Review:
    """Notes what is painted over the labels that a painting began with.

    Parameters
    ----------
    begun : ndarray
        uint8 ``(H, W)``: the first labels, 255 where there was none.
    """

    def __init__(self, begun: Labels) -> None:
        self._begun = begun.copy()
        self._confirmed = np.zeros(begun.shape, bool)
        self._stroke: list[npt.NDArray[np.intp]] = []
        self._done: deque[npt.NDArray[np.intp]] = deque(maxlen=_STEPS)
        self._undone: deque[npt.NDArray[np.intp]] = deque(maxlen=_STEPS)
        self._followed = False
        self._saved: Labels | None = None

    @classmethod
    def of(cls, layer: Any) -> Review:
        """Return the review of a painting, which begins now if it has none."""
        review: Review = layer.metadata.setdefault(REVIEW, cls(np.asarray(layer.data)))
        review._follow(layer)
        return review

    def note_saved(self, labels: Labels) -> None:
        """Note that these labels were saved.

        Parameters
        ----------
        labels : ndarray
            uint8 ``(H, W)``.
        """
        self._saved = labels.copy()

    def is_saved(self, labels: Labels) -> bool:
        """Tell whether these labels, uint8 ``(H, W)``, are those that were saved last."""
        return self._saved is not None and np.array_equal(self._saved, labels)

    def confirm(self, where: tuple[Any, ...]) -> None:
        """Note pixels that were painted with the label that they had.

        Parameters
        ----------
        where : tuple of ndarray
            Rows and columns.
        """
        places = np.ravel_multi_index(where, self._begun.shape)
        fresh = places[~self._confirmed.ravel()[places]]
        self._confirmed.ravel()[fresh] = True
        self._stroke.append(fresh)

    def reviewed(self, labels: Labels, margin: int = MARGIN, checked: Mask | None = None) -> Labels:
        """Return the labels that somebody has looked at; 255 everywhere else.

        Parameters
        ----------
        labels : ndarray
            uint8 ``(H, W)``, as they are now.
        margin : int
            Pixels around what was painted that count, too.
        checked : ndarray, optional
            bool ``(H, W)``, where every label was looked at.
        """
        seen = _grown(self._confirmed | (labels != self._begun), margin)
        if checked is not None:
            seen |= checked
        return np.where(seen, labels, np.uint8(NO_LABEL))

    def _follow(self, layer: Any) -> None:
        """Hear of every stroke, also of those that change nothing, of which napari tells nobody."""
        if self._followed:
            return
        self._followed = True
        layer.paint = _noting(self._note_disc, layer, layer.paint)
        layer.paint_polygon = _noting(self._note_polygon, layer, layer.paint_polygon)
        layer.undo = _then(layer.undo, lambda: self._move(self._done, self._undone, False))
        layer.redo = _then(layer.redo, lambda: self._move(self._undone, self._done, True))
        layer.events.paint.connect(self._end_stroke)

    def _note_disc(self, layer: Any, value: int, centre: Any) -> None:
        y, x = (int(np.round(each)) for each in centre)
        radius = layer.brush_size // 2 + 0.5
        reach = int(radius)
        rows = np.arange(max(0, y - reach), min(self._begun.shape[0], y + reach + 1))[:, None]
        columns = np.arange(max(0, x - reach), min(self._begun.shape[1], x + reach + 1))
        inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        self._note(layer, value, *(place[inside] for place in np.broadcast_arrays(rows, columns)))

    def _note_polygon(self, layer: Any, value: int, corners: Any) -> None:
        from skimage.draw import polygon

        y, x = np.asarray(corners, int).T
        self._note(layer, value, *polygon(y, x, self._begun.shape))  # type: ignore[no-untyped-call]

    def _note(self, layer: Any, value: int, rows: Any, columns: Any) -> None:
        same = layer.data[rows, columns] == value
        if value != NO_LABEL:
            self.confirm((rows[same], columns[same]))

    def _end_stroke(self, _: object = None) -> None:
        self._done.append(np.concatenate([*self._stroke, np.empty(0, np.intp)]))
        self._stroke = []
        self._undone.clear()

    def _move(self, source: deque[Any], target: deque[Any], confirmed: bool) -> None:
        for fresh in self._stroke:
            self._confirmed.ravel()[fresh] = False
        self._stroke = []
        if source:
            target.append(source.pop())
            self._confirmed.ravel()[target[-1]] = confirmed


def _grown(touched: Mask, margin: int) -> Mask:
    """Return a mask with all that lies within a margin of it."""
    rows, columns = (np.flatnonzero(touched.any(axis)) for axis in (1, 0))
    if not (len(rows) and margin):
        return touched
    # Far from all strokes nothing changes, and the whole would take seconds.
    part = tuple(slice(max(0, at[0] - margin), at[-1] + margin + 1) for at in (rows, columns))
    grown = touched.copy()
    grown[part] = ndimage.distance_transform_edt(~touched[part]) <= margin
    return grown


def _noting(note: Callable[[Any, int, Any], None], layer: Any, act: Callable[..., None]) -> Any:
    """Return what notes a stroke before it is painted: afterwards all of it has its label."""

    def paint(place: Any, new_label: int, *args: Any, **keywords: Any) -> None:
        note(layer, new_label, place)
        act(place, new_label, *args, **keywords)

    return paint


def _then(act: Callable[[], None], more: Callable[[], None]) -> Callable[[], None]:
    def both() -> None:
        act()
        more()

    return both
