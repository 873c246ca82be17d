"""The *Legend*: the classes of the mask that is selected, to show or hide, with their areas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import (
    QHBoxLayout,
    QSlider,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from wsiseg.errors import OutputError
from wsiseg.exports.areas import ClassArea
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer.layers.label_layers import (
    describe_keys,
    equip,
    hidden_classes,
    hide_classes,
)
from wsiseg.viewer.layers.layer_data import KEY, MaskView, unit_rgba
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.measuring import describe_area, describe_share, known_areas, measurable
from wsiseg.viewer.run_notes import run_warnings
from wsiseg.viewer.scene import by_preference
from wsiseg.viewer.widgets.layouts import columns_of
from wsiseg.viewer.widgets.plain_label import PlainLabel
from wsiseg.viewer.widgets.warnings_label import WarningsLabel
from wsiseg.viewer.worker import Worker

if TYPE_CHECKING:
    import napari
    from napari.utils.events import EventEmitter

_SWATCH = 14
_ROWS = 10
"""Shown without scrolling, at most."""
_SLIDER = 110
_VALUE = Qt.ItemDataRole.UserRole
_PATIENCE_MS = 400
"""After the last stroke, before areas are counted again."""


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
        self._work: Worker | None = None
        self._items: list[QTreeWidgetItem] = []
        self._areas: WeakKeyDictionary[Labels, Sequence[ClassArea]] = WeakKeyDictionary()
        self.heading = PlainLabel()
        self.list = columns_of("class", "share", "mm²")
        self.list.setSelectionMode(QTreeWidget.SelectionMode.NoSelection)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setToolTip("Untick a class to hide it. Shares are of what was analysed.")
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setToolTip("Opacity of the mask")
        self.opacity.setFixedWidth(_SLIDER)
        self.note = PlainLabel(wrap=True)
        self.note.setVisible(False)
        self.warnings = WarningsLabel("of the run", most=2)
        self._counting = QTimer(self, singleShot=True, interval=_PATIENCE_MS)
        self._lay_out()
        self.list.itemChanged.connect(self._hide)
        self.opacity.valueChanged.connect(self._fade)
        self._counting.timeout.connect(self._count)
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

    def _lay_out(self) -> None:
        # In one row, as the window has to fit on a screen of 800 pixels.
        row = QHBoxLayout()
        row.addWidget(self.heading, stretch=1)
        row.addWidget(PlainLabel("opacity"))
        row.addWidget(self.opacity)
        column = QVBoxLayout(self)
        column.addLayout(row)
        column.addWidget(self.list)
        column.addWidget(self.note)
        column.addWidget(self.warnings)

    def _follow(self, _: object = None) -> None:
        found = next(filter(_is_mask, by_preference(self._viewer)), None)
        # napari hands a new proxy to plug-ins each time, with which all that is kept would go.
        layer: Labels | None = getattr(found, "__wrapped__", found)
        if layer is self._layer and layer is not None:
            return
        self._leave()
        self._layer = layer
        if layer is not None:
            equip(layer)
            for event in _looks(layer):
                event.connect(self._show)
            layer.events.opacity.connect(self._show_opacity)
            if isinstance(layer.metadata[KEY], RegionView):
                for event in _strokes(layer):
                    event.connect(self._count_soon)
            if layer not in self._areas:
                self._counting.start()
        self._show()
        self._show_opacity()
        self.warnings.show_lines([] if layer is None else _warnings_of(layer))

    def _leave(self) -> None:
        if self._work is not None:
            self._work.cancel()
            self._work = None
        if self._layer is not None:
            for event in _looks(self._layer):
                event.disconnect(self._show)
            self._layer.events.opacity.disconnect(self._show_opacity)
            if isinstance(self._layer.metadata.get(KEY), RegionView):
                for event in _strokes(self._layer):
                    event.disconnect(self._count_soon)

    def _part(self) -> None:
        for event in self._changes:
            event.disconnect(self._follow)
        self._leave()

    # What is shown

    def _show(self, _: object = None) -> None:
        layer = self._layer
        self.heading.setText("no mask" if layer is None else layer.name)
        self.heading.setToolTip("" if layer is None else describe_keys(layer))
        self.opacity.setEnabled(layer is not None)
        with QSignalBlocker(self.list):
            self.list.clear()
            self._items = [] if layer is None else _items(layer)
            self.list.addTopLevelItems(self._items)
            self._show_areas()
        row = max(self.list.sizeHintForRow(0), _SWATCH + 5)
        rows = min(len(self._items), _ROWS) * row
        height = rows + self.list.header().sizeHint().height() + 2 * self.list.frameWidth()
        self.list.setMinimumHeight(height)

    def _show_areas(self) -> None:
        if self._layer is None:
            return
        areas = {area.value: area for area in self._areas.get(self._layer, ())}
        for item in self._items:
            area = areas.get(item.data(0, _VALUE))
            # A class that is not painted yet covers nothing.
            texts = ("", "") if area is None else (describe_share(area), describe_area(area))
            for column, text in enumerate(texts, 1):
                item.setText(column, text)
                item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight)

    def _show_opacity(self, _: object = None) -> None:
        if self._layer is not None:
            with QSignalBlocker(self.opacity):
                self.opacity.setValue(round(100 * self._layer.opacity))

    # What is changed

    def _hide(self, *_: object) -> None:
        if self._layer is not None:
            hidden = [
                item.data(0, _VALUE)
                for item in self._items
                if item.checkState(0) == Qt.CheckState.Unchecked
            ]
            hide_classes(self._layer, [value for value in hidden if value != NO_LABEL])

    def _fade(self, percent: int) -> None:
        if self._layer is not None:
            self._layer.opacity = percent / 100

    # Areas

    def _count_soon(self, _: object = None) -> None:
        self._counting.start()

    def _count(self) -> None:
        """Count the pixels of every class, in a thread."""
        layer = self._layer
        found = None if layer is None else measurable(layer)
        if layer is None or found is None:
            return
        if self._work is not None:
            self._work.cancel()
        self._tell("")

        def count(work: Worker) -> Sequence[ClassArea]:
            return known_areas(found.view) or found.measure(None, lambda _: work.report())

        def show(areas: Sequence[ClassArea]) -> None:
            self._areas[layer] = areas
            with QSignalBlocker(self.list):
                self._show_areas()

        work = self._work = Worker(self, count)
        work.returned.connect(show)
        work.failed.connect(self._tell)
        work.start()

    def _tell(self, text: str) -> None:
        self.note.setText(text)
        self.note.setVisible(bool(text))


def _warnings_of(layer: Labels) -> list[str]:
    """Return what the run of a mask warned of, or why that is not known."""
    view = layer.metadata[KEY]
    if not isinstance(view, MaskView):
        return []
    try:
        return run_warnings(view.image)
    except OutputError as error:
        return [str(error)]


def _items(layer: Labels) -> list[QTreeWidgetItem]:
    """Return a row for every class, and one for what is none."""
    classes, hidden = layer.metadata[KEY].classes, hidden_classes(layer)
    names = layer.features
    own = layer.colormap.map(np.array(names["index"]))
    items = []
    for value, name, colour in zip(map(int, names["index"]), names["class"], own, strict=True):
        item = QTreeWidgetItem([str(name), "", ""])
        shown = unit_rgba(classes[value]) if value in hidden else colour
        swatch = QPixmap(_SWATCH, _SWATCH)
        swatch.fill(QColor.fromRgbF(*map(float, shown)))
        item.setIcon(0, swatch)
        item.setData(0, _VALUE, value)
        if value != NO_LABEL:
            state = Qt.CheckState.Unchecked if value in hidden else Qt.CheckState.Checked
            item.setCheckState(0, state)
        items.append(item)
    return items


def _looks(layer: Labels) -> tuple[EventEmitter, ...]:
    return layer.events.features, layer.events.colormap, layer.events.name


def _strokes(layer: Labels) -> tuple[EventEmitter, ...]:
    return layer.events.paint, layer.events.labels_update, layer.events.data


def _is_mask(layer: object) -> bool:
    return isinstance(layer, Labels) and isinstance(layer.metadata.get(KEY), MaskView | RegionView)
