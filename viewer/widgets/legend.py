"""The *Legend*: which colour is which class, for the mask that is selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from wsiseg.viewer.layers.layer_data import KEY, MaskView
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.scene import by_preference
from wsiseg.viewer.widgets.plain_label import PlainLabel

if TYPE_CHECKING:
    import napari
    from napari.utils.events import EventEmitter

_SWATCH = 14
_ROWS = 10
"""Shown without scrolling, at most."""


class LegendWidget(QWidget):
    """Follows the selection, and what is edited of it.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The window.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._layer: Labels | None = None
        self.heading = PlainLabel()
        self.list = QListWidget()
        self.list.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        column = QVBoxLayout(self)
        column.addWidget(self.heading)
        column.addWidget(self.list)
        layers = napari_viewer.layers
        self._changes = (
            layers.selection.events.active,
            layers.events.inserted,
            layers.events.removed,
        )
        for event in self._changes:
            event.connect(self._follow)
        # napari knows nothing of a widget's end, at which its own methods are no longer called.
        self.destroyed.connect(lambda: self._part())  # noqa: PLW0108
        self._follow()

    def _follow(self, _: object = None) -> None:
        self._leave()
        self._layer = next(filter(_is_mask, by_preference(self._viewer)), None)
        if self._layer is not None:
            for event in _edits(self._layer):
                event.connect(self._show)
        self._show()

    def _leave(self) -> None:
        if self._layer is not None:
            for event in _edits(self._layer):
                event.disconnect(self._show)

    def _part(self) -> None:
        for event in self._changes:
            event.disconnect(self._follow)
        self._leave()

    def _show(self, _: object = None) -> None:
        self.heading.setText("no mask" if self._layer is None else self._layer.name)
        self.list.clear()
        if self._layer is None:
            return
        names = self._layer.features
        colours = self._layer.colormap.map(np.array(names["index"]))
        for colour, name in zip(colours, names["class"], strict=True):
            swatch = QPixmap(_SWATCH, _SWATCH)
            swatch.fill(QColor.fromRgbF(*map(float, colour)))
            self.list.addItem(QListWidgetItem(swatch, name))
        rows = min(self.list.count(), _ROWS) * self.list.sizeHintForRow(0)
        self.list.setMinimumHeight(rows + 2 * self.list.frameWidth())


def _edits(layer: Labels) -> tuple[EventEmitter, ...]:
    return layer.events.features, layer.events.colormap, layer.events.name


def _is_mask(layer: object) -> bool:
    return isinstance(layer, Labels) and isinstance(layer.metadata.get(KEY), MaskView | RegionView)
