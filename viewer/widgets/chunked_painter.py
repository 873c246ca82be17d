"""Painting many pixels into a layer in chunks, so that the window stays responsive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QWidget

from wsiseg.tiling.bands import NO_LABEL

_AT_A_TIME = 1 << 18
"""Pixels that are painted before the window may react again."""

Change = tuple[tuple[Any, Any], Any]
"""Indices of pixels and their new values."""


def find_changes(before: Any, labels: Any) -> list[Change]:
    """Return the pixels that a painting changes, in chunks.

    Parameters
    ----------
    before, labels : ndarray
        uint8 ``(H, W)``: the labels so far, and those to paint; 255 paints nothing.

    Returns
    -------
    list of Change
        Of at most 262,144 pixels each.
    """
    y, x = np.nonzero((labels != NO_LABEL) & (labels != before))
    parts = (slice(start, start + _AT_A_TIME) for start in range(0, len(y), _AT_A_TIME))
    return [((y[part], x[part]), labels[y[part], x[part]]) for part in parts]


class ChunkedPainter(QTimer):
    """Paints chunk by chunk, as one step that can be undone.

    Parameters
    ----------
    owner : QWidget
        Its parent; painting ends with it.
    """

    done = Signal()
    """Everything is painted."""

    def __init__(self, owner: QWidget) -> None:
        super().__init__(owner)
        self._step = ExitStack()
        self._changes: Iterator[Change] = iter(())
        self.timeout.connect(self._paint_next)

    def begin(self, layer: Labels, changes: list[Change]) -> None:
        """Begin to paint; wait for :attr:`done` before beginning again.

        Parameters
        ----------
        layer : napari.layers.Labels
            What is painted on.
        changes : list of Change
            See :func:`find_changes`.
        """
        self._layer, self._changes = layer, iter(changes)
        self._step.enter_context(layer.block_history())
        self.start(0)

    def _paint_next(self) -> None:
        change = next(self._changes, None)
        if change is not None:
            self._layer.data_setitem(*change)
            return
        self.stop()
        self._step.close()
        del self._layer
        self.done.emit()
