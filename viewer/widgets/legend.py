"""The *Legend*: which colour is which class, for the mask that is selected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from wsiseg.errors import ArgumentError
from wsiseg.models.class_sets import LabelClass
from wsiseg.viewer.measuring import find_measurable

if TYPE_CHECKING:
    import napari

_SWATCH = 14
_HEIGHT = 120
"""So that most legends need no scrolling."""


class LegendWidget(QWidget):
    """Follows the selection.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The window.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.heading = QLabel()
        self.list = QListWidget()
        self.list.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setMinimumHeight(_HEIGHT)
        column = QVBoxLayout(self)
        column.addWidget(self.heading)
        column.addWidget(self.list)
        for event in (
            napari_viewer.layers.selection.events.active,
            napari_viewer.layers.events.inserted,
            napari_viewer.layers.events.removed,
        ):
            event.connect(self._follow)
        self._follow()

    def _follow(self, _: object = None) -> None:
        try:
            found = find_measurable(self._viewer)
        except ArgumentError:
            self._show("no mask", {})
        else:
            self._show(found.name, found.view.classes)

    def _show(self, heading: str, classes: Mapping[int, LabelClass]) -> None:
        self.heading.setText(heading)
        self.list.clear()
        for _, entry in sorted(classes.items()):
            swatch = QPixmap(_SWATCH, _SWATCH)
            swatch.fill(QColor(*entry.colour))
            self.list.addItem(QListWidgetItem(swatch, entry.name))
