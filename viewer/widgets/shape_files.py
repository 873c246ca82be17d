"""Files of shapes: shown as outlines, and painted into labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QGroupBox, QVBoxLayout

from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer import scene
from wsiseg.viewer.drawings import DrawingView, drawing_layer, paint_drawing, read_drawing
from wsiseg.viewer.layers.layer_data import KEY, LayerData
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.notifications import errors_notified, notify_warning
from wsiseg.viewer.painting import give_classes
from wsiseg.viewer.reviewing import Review
from wsiseg.viewer.widgets.action_buttons import ActionButtons
from wsiseg.viewer.widgets.chunked_painter import Change, ChunkedPainter, find_changes
from wsiseg.viewer.widgets.status_line import StatusLine
from wsiseg.viewer.worker import Worker

if TYPE_CHECKING:
    import napari


class ShapeFiles(QGroupBox):
    """Opens files of shapes, and paints them into the painting that is selected.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The window.
    actions : ActionButtons
        Takes the buttons, and starts the work.
    status : StatusLine
        Where it is told what was read, and what failed.
    """

    widened = Signal(object)
    """The painting has other classes now: those of a file as well."""

    def __init__(
        self, napari_viewer: napari.viewer.Viewer, actions: ActionButtons, status: StatusLine
    ) -> None:
        super().__init__("Annotation files")
        self._viewer, self._actions, self._status = napari_viewer, actions, status
        self._painter = ChunkedPainter(self)
        self._painter.done.connect(actions.end)
        column = QVBoxLayout(self)
        column.addLayout(
            actions.row(
                (
                    "Open…",
                    "Show annotations of QuPath (GeoJSON), ASAP, ImageScope or HALO",
                    self._ask,
                ),
                ("Paint annotations", "Paint them into the labels", self.paint),
            )
        )

    def open(self, path: Path) -> None:
        """Add the outlines of an annotation file of the current slide."""
        with errors_notified(self._status.tell_failure):
            view = scene.current_slide(self._viewer)
            self._actions.start(
                f"Reading {path.name}…",
                lambda _: drawing_layer(read_drawing(path, view)),
                self._add,
            )

    def _add(self, made: LayerData) -> None:
        data, settings, _ = made
        layer = self._viewer.add_shapes(data, **settings)
        drawing = layer.metadata[KEY]
        ended = (note if note.endswith("?") else f"{note}." for note in drawing.file.notes)
        self._status.setText(" ".join(ended))
        for doubt in drawing.doubts:
            notify_warning(f"{drawing.file.path.name}: {doubt}")

    def paint(self) -> None:
        """Paint the selected file of shapes, or else the topmost, into the labels."""
        with errors_notified(self._status.tell_failure):
            layer = scene.current_painting(self._viewer)
            drawing = scene.current(self._viewer, DrawingView, "annotation file")
            region, before = layer.metadata[KEY], np.array(layer.data)
            review = Review.of(layer)

            def paint(_: Worker) -> tuple[RegionView, list[Change]]:
                wider, labels = paint_drawing(drawing, region)
                review.confirm(np.nonzero((labels != NO_LABEL) & (labels == before)))
                return wider, find_changes(before, labels)

            def pour(painted: tuple[RegionView, list[Change]]) -> None:
                wider, changes = painted
                give_classes(layer, wider.classes)
                self.widened.emit(layer)
                self._actions.begin()
                self._painter.begin(layer, changes)

            self._actions.start("Painting…", paint, pour)

    def _ask(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(
            self, "Open annotations", "", "Annotations (*.geojson *.json *.gz *.xml *.annotations)"
        )
        for name in names:
            self.open(Path(name))
