"""The *Annotate* widget: paint on a region of a slide, and save it for training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np
from napari.layers import Labels, Layer
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from wsiseg.annotations.repairing import unite
from wsiseg.classes import LabelClass, numbered_classes
from wsiseg.errors import ArgumentError
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box
from wsiseg.viewer import scene
from wsiseg.viewer.checked_fields import add_checked_box, checked_mask, checked_shapes
from wsiseg.viewer.drawings import DrawingView, drawing_layer, paint_drawing, read_drawing
from wsiseg.viewer.layers.label_layers import equip
from wsiseg.viewer.layers.layer_data import KEY, LayerData, MaskView, SlideView
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.notifications import errors_notified, notify_error, notify_warning
from wsiseg.viewer.painting import (
    give_classes,
    is_painting,
    labels_under,
    mask_mpp,
    numbered,
    painting_layer,
    region_at,
    save_painting,
)
from wsiseg.viewer.reviewing import MARGIN, Review
from wsiseg.viewer.widgets.chunked_painter import Change, ChunkedPainter, find_changes
from wsiseg.viewer.widgets.class_list import ClassList
from wsiseg.viewer.widgets.dialogs import ask_checkpoint, ask_folder
from wsiseg.viewer.widgets.path_field import PathField
from wsiseg.viewer.widgets.plain_label import PlainLabel
from wsiseg.viewer.widgets.sharing import share_folders
from wsiseg.viewer.widgets.slide_mpp_field import SlideMppField
from wsiseg.viewer.worker import Worker

if TYPE_CHECKING:
    import napari

VIEW, DRAWN = "what the window shows", "what is drawn"


class AnnotateWidget(QWidget):
    """Follows the painting that is selected.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The window.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._painting: Labels | None = None
        self._begun: WeakSet[Layer] = WeakSet()
        self._own_mpp: float | None = None
        self._running = 0
        self._painter = ChunkedPainter(self)
        self.classes = ClassList(self._is_painted)
        self.region = _combo(VIEW, DRAWN)
        self.mpp = QDoubleSpinBox(decimals=4, maximum=20, singleStep=0.1, suffix=" µm/px")
        self.slide_mpp = SlideMppField(napari_viewer)
        self.margin = QSpinBox(maximum=500, value=MARGIN, suffix=" px")
        self.folder = PathField("of annotations", ask_folder)
        self.kind = _combo("OME-Zarr", "GeoJSON")
        self.if_exists = _combo("refuse", "add", "replace")
        self.status = PlainLabel(wrap=True)
        self.buttons: dict[str, QPushButton] = {}
        self._lay_out()
        self._painter.done.connect(lambda: self._count(-1))
        self.classes.chosen.connect(self._choose)
        self.classes.edited.connect(self._show_classes)
        self.slide_mpp.followed.connect(self._ask_for_mpp)
        napari_viewer.layers.selection.events.active.connect(self._follow)
        # napari knows nothing of a widget's end, at which its own methods are no longer called.
        self.destroyed.connect(lambda: self._part())  # noqa: PLW0108
        self._take(dict(enumerate(numbered_classes(2))), None, "slide")
        with suppress(ArgumentError):
            self._take_from(self._mask())
        self._follow()
        self.slide_mpp.follow()

    def _lay_out(self) -> None:
        self.kind.setToolTip("OME-Zarr: labels, pixel by pixel. GeoJSON: polygons for QuPath.")
        self.if_exists.setToolTip(
            "What becomes of an annotation of this slide that exists. "
            "Adding paints over it and erases nothing."
        )
        self.margin.setToolTip(
            "Pixels around what was painted that count as seen. Beyond them, and outside checked "
            "fields, what a mask predicted is not saved."
        )
        paint_form = _form(
            {"Region": self.region, "Slide's own": self.slide_mpp, "Resolution": self.mpp}
        )
        self._slide_mpp_label = paint_form.labelForField(self.slide_mpp)
        column = QVBoxLayout(self)
        column.addWidget(
            _group(
                "Classes",
                self.classes,
                self._row(
                    ("From mask", "Take the classes of the selected mask", self.take_from_mask),
                    ("From checkpoint…", "Take those of a network", self._ask_for_checkpoint),
                ),
            )
        )
        column.addWidget(
            _group(
                "Paint",
                paint_form,
                self._row(
                    ("New painting", "Begin with nothing annotated", self.begin),
                    ("Correct mask", "Begin with the labels of the selected mask", self.correct),
                ),
                self._row(
                    ("View is checked", "Every label in view is right: save them", self.check_view),
                    ("Draw checked", "Draw fields in which every label is right", self.check_drawn),
                ),
            )
        )
        column.addWidget(
            _group(
                "Save",
                _form(
                    {
                        "Folder": self.folder,
                        "Format": self.kind,
                        "If it exists": self.if_exists,
                        "Margin": self.margin,
                    }
                ),
                self._row(("Save", "Write what was painted or checked, for training", self.save)),
            )
        )
        column.addWidget(
            _group(
                "Files of shapes",
                self._row(
                    ("Open…", "GeoJSON, ASAP, ImageScope or HALO", self._ask_for_shapes),
                    ("Paint shapes", "Paint them into the labels", self.paint_shapes),
                ),
            )
        )
        column.addWidget(self.status)
        column.addStretch()

    def _row(self, *actions: tuple[str, str, Callable[[], None]]) -> QHBoxLayout:
        row = QHBoxLayout()
        for action in actions:
            row.addWidget(self._button(*action))
        return row

    def _button(self, text: str, tip: str, act: Callable[[], None]) -> QPushButton:
        button: QPushButton = QPushButton(text)
        self.buttons[text] = button
        button.setToolTip(tip)
        button.clicked.connect(act)
        return button

    # Classes

    def take_from_mask(self) -> None:
        """Paint with the classes of the selected mask, at its resolution."""
        with errors_notified(self._tell_failure):
            self._take_from(self._mask())

    def take_from_checkpoint(self, path: Path) -> None:
        """Paint with the classes of a network, at its resolution."""

        def load(_: Worker) -> tuple[dict[int, LabelClass], float | None, str]:
            from wsiseg.models.checkpoint import load_checkpoint

            checkpoint = load_checkpoint(path)
            return dict(enumerate(checkpoint.classes)), checkpoint.mpp, "checkpoint"

        self._start("Reading the checkpoint…", load, lambda taken: self._take(*taken))

    def _take_from(self, layer: Labels) -> None:
        mask = layer.metadata[KEY]
        self._take(numbered(mask.classes), mask_mpp(mask), "mask")

    def _take(self, classes: Mapping[int, LabelClass], mpp: float | None, whose: str) -> None:
        if self._painting is not None:
            # Its classes are its own; what is taken is for the next one.
            self._viewer.layers.selection.clear()
        self._own_mpp = mpp
        self.mpp.setSpecialValueText(f"{mpp:g} (the {whose}'s)" if mpp else "the slide's own")
        self.mpp.setValue(0)
        self.classes.show_classes(classes, min(classes, default=NO_LABEL))

    def _show_classes(self) -> None:
        if self._painting is not None:
            give_classes(self._painting, self.classes.classes)

    def _is_painted(self, value: int) -> bool:
        return self._painting is not None and bool((self._painting.data == value).any())

    # The painting that is selected

    def _follow(self, _: object = None) -> None:
        self._leave()
        active = self._viewer.layers.selection.active
        if active is not None and is_painting(active):
            self._painting = active
            Review.of(active)
            active.events.selected_label.connect(self._hear)
            self.classes.show_classes(active.metadata[KEY].classes, active.selected_label)
            self._choose(self.classes.value)

    def _leave(self) -> None:
        if self._painting is not None:
            self._painting.events.selected_label.disconnect(self._hear)
        self._painting = None

    def _part(self) -> None:
        self._viewer.layers.selection.events.active.disconnect(self._follow)
        self._leave()

    def _hear(self, _: object = None) -> None:
        if self._painting is not None:
            self.classes.choose(self._painting.selected_label)

    def _choose(self, value: int) -> None:
        if self._painting is not None:
            self._painting.selected_label = value

    def _current_painting(self) -> Labels:
        for layer in scene.by_preference(self._viewer):
            if isinstance(layer, Labels) and is_painting(layer):
                return layer
        raise ArgumentError("there is no painting", None, "Begin a new one.")

    def _mask(self) -> Labels:
        """Return the selected mask, or else the topmost; what was begun here is none."""
        for layer in scene.by_preference(self._viewer):
            mask = isinstance(layer.metadata.get(KEY), MaskView | RegionView)
            if isinstance(layer, Labels) and mask and layer not in self._begun:
                return layer
        raise ArgumentError("there is no mask in the window", None, "Open or make one first.")

    # Painting

    def begin(self) -> None:
        """Add labels for a region in which nothing is annotated."""
        self.slide_mpp.give()
        with errors_notified(self._tell_failure):
            view = scene.current_slide(self._viewer)
            mpp = self.mpp.value() or self._own_mpp
            region = region_at(view, self._slide_box(view), mpp, self.classes.classes)
            self._add(painting_layer(region))

    def correct(self) -> None:
        """Add labels for a region that begin as those of a mask."""
        self.slide_mpp.give()
        with errors_notified(self._tell_failure):
            layer = self._mask()
            view = scene.slide_under(self._viewer, layer) or scene.current_slide(self._viewer)
            mask = layer.metadata[KEY]
            mpp = self.mpp.value() or mask_mpp(mask)
            region = region_at(view, self._slide_box(view), mpp, numbered(mask.classes))
            values = mask.image.values if isinstance(mask, MaskView) else layer.data.copy()

            def show(made: LayerData) -> None:
                # Else it would shine through where something is erased.
                layer.visible = False
                self._add(made)

            self._start(
                "Reading the mask…",
                lambda _: painting_layer(region, labels_under(mask, values, region)),
                show,
            )

    def _slide_box(self, view: SlideView) -> Box:
        if self.region.currentText() == DRAWN:
            return view.box_around(scene.drawn_region(self._viewer, view.frame))
        return scene.field_of_view(self._viewer, view)

    def _add(self, made: LayerData) -> None:
        data, settings, _ = made
        value = self.classes.value
        layer = Labels(data, **settings)
        layer.selected_label = value if value in settings["metadata"][KEY].classes else 0
        equip(layer)
        self._begun.add(layer)
        self._viewer.add_layer(layer)
        layer.mode = "paint"

    def _ask_for_mpp(self) -> None:
        """Ask for the slide's µm per pixel where its file states none."""
        for part in (self.slide_mpp, self._slide_mpp_label):
            part.setVisible(self.slide_mpp.is_wanted)

    # Checking

    def check_view(self) -> None:
        """Mark every label that the window shows as checked."""
        with errors_notified(self._tell_failure):
            view = self._current_painting().metadata[KEY].slide
            add_checked_box(self._viewer, view, scene.field_of_view(self._viewer, view))

    def check_drawn(self) -> None:
        """Let fields be drawn in which every label is right."""
        with errors_notified(self._tell_failure):
            layer = checked_shapes(self._viewer, self._current_painting().metadata[KEY].slide)
            self._viewer.layers.selection.active = layer
            layer.mode = "add_rectangle"

    # Saving

    def save(self) -> None:
        """Write what was painted or checked of the selected painting, or else of the topmost."""
        with errors_notified(self._tell_failure):
            layer = self._current_painting()
            folder = self.folder.path
            if folder is None:
                raise ArgumentError("there is no folder to save to", None, "Choose one.")
            region, labels = layer.metadata[KEY], np.array(layer.data)
            review, margin = Review.of(layer), self.margin.value()
            fields = unite(scene.checked_fields(self._viewer, region.slide))
            kind, if_exists = self.kind.currentData(), self.if_exists.currentData()

            def write(_: Worker) -> tuple[Path, float]:
                kept = review.reviewed(labels, margin, checked_mask(fields, region))
                path = save_painting(region, kept, folder, kind, if_exists)
                return path, float((kept != NO_LABEL).mean())

            self._start("Saving…", write, lambda saved: self._tell_saved(region, *saved))

    def _tell_saved(self, region: RegionView, path: Path, share: float) -> None:
        self.status.setText(
            f"Saved as {path}: {share:.1%} of the region, which was painted or checked; the rest "
            "stays ignored"
        )
        share_folders(self._viewer, region.slide.slide.path.absolute().parent, path.parent)

    # Files of shapes

    def open_shapes(self, path: Path) -> None:
        """Add the outlines of an annotation file of the current slide."""
        with errors_notified(self._tell_failure):
            view = scene.current_slide(self._viewer)
            text = f"Reading {path.name}…"
            self._start(text, lambda _: drawing_layer(read_drawing(path, view)), self._add_shapes)

    def _add_shapes(self, made: LayerData) -> None:
        data, settings, _ = made
        layer = self._viewer.add_shapes(data, **settings)
        drawing = layer.metadata[KEY]
        ended = (note if note.endswith("?") else f"{note}." for note in drawing.file.notes)
        self.status.setText(" ".join(ended))
        for doubt in drawing.doubts:
            notify_warning(f"{drawing.file.path.name}: {doubt}")

    def paint_shapes(self) -> None:
        """Paint the selected file of shapes, or else the topmost, into the labels."""
        with errors_notified(self._tell_failure):
            layer, drawing = self._current_painting(), self._drawing()
            region, before = layer.metadata[KEY], np.array(layer.data)
            review = Review.of(layer)

            def paint(_: Worker) -> tuple[RegionView, list[Change]]:
                wider, labels = paint_drawing(drawing, region)
                review.confirm(np.nonzero((labels != NO_LABEL) & (labels == before)))
                return wider, find_changes(before, labels)

            def pour(painted: tuple[RegionView, list[Change]]) -> None:
                give_classes(layer, painted[0].classes)
                if layer is self._painting:
                    self.classes.show_classes(painted[0].classes)
                self._count(1)
                self._painter.begin(layer, painted[1])

            self._start("Painting…", paint, pour)

    def _drawing(self) -> DrawingView:
        for layer in scene.by_preference(self._viewer):
            if isinstance(layer.metadata.get(KEY), DrawingView):
                drawing: DrawingView = layer.metadata[KEY]
                return drawing
        raise ArgumentError("there is no file of shapes", None, "Open one first.")

    # Work in threads, and dialogs

    def _start(
        self, text: str, function: Callable[[Worker], Any], done: Callable[[Any], None]
    ) -> None:
        self.status.setText(text)
        self._count(1)
        work = Worker(self, function)
        work.ended.connect(lambda: self._count(-1))
        work.failed.connect(self._fail)
        work.returned.connect(done)
        work.start()

    def _count(self, more: int) -> None:
        """Disable the buttons while work is running."""
        self._running += more
        for button in self.buttons.values():
            button.setEnabled(not self._running)
        if not self._running and self.status.text().endswith("…"):
            self.status.clear()

    def _fail(self, line: str) -> None:
        self._tell_failure(line)
        notify_error(line)

    def _tell_failure(self, line: str) -> None:
        self.status.setText(f"Failed: {line}")

    def _ask_for_checkpoint(self) -> None:
        if name := ask_checkpoint(self):
            self.take_from_checkpoint(Path(name))

    def _ask_for_shapes(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(
            self, "Shapes", "", "Annotations (*.geojson *.json *.gz *.xml *.annotations)"
        )
        for name in names:
            self.open_shapes(Path(name))


def _combo(*texts: str) -> QComboBox:
    combo = QComboBox()
    for text in texts:
        combo.addItem(text, text)
    return combo


def _form(rows: Mapping[str, QWidget]) -> QFormLayout:
    form = QFormLayout()
    for text, field in rows.items():
        form.addRow(text, field)
    return form


def _group(title: str, *parts: QWidget | QHBoxLayout | QFormLayout) -> QGroupBox:
    group = QGroupBox(title)
    column = QVBoxLayout(group)
    for part in parts:
        column.addWidget(part) if isinstance(part, QWidget) else column.addLayout(part)
    return group
