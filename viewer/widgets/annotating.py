"""The *Annotate* widget: paint on a region of a slide, and save it for training."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

import numpy as np
from napari.layers import Labels, Layer
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QSpinBox,
    QWidget,
)

from wsiseg.annotations.repairing import unite
from wsiseg.classes import LabelClass, numbered_classes
from wsiseg.errors import ArgumentError
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box
from wsiseg.viewer import scene
from wsiseg.viewer.checked_fields import add_checked_box, checked_mask, checked_shapes
from wsiseg.viewer.layers.label_layers import equip
from wsiseg.viewer.layers.layer_data import KEY, LayerData, MaskView, SlideView
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.notifications import errors_notified
from wsiseg.viewer.painting import (
    give_classes,
    is_painting,
    labels_under,
    mask_mpp,
    numbered,
    painting_layer,
    region_at,
)
from wsiseg.viewer.reviewing import MARGIN, Review
from wsiseg.viewer.saving import save_painting
from wsiseg.viewer.widgets.action_buttons import ActionButtons
from wsiseg.viewer.widgets.class_list import ClassList
from wsiseg.viewer.widgets.dialogs import ask_checkpoint, ask_folder
from wsiseg.viewer.widgets.layouts import combo_of, form_of, group_of
from wsiseg.viewer.widgets.path_field import PathField
from wsiseg.viewer.widgets.scrolling import scrolling_column
from wsiseg.viewer.widgets.shape_files import ShapeFiles
from wsiseg.viewer.widgets.sharing import share_folders
from wsiseg.viewer.widgets.slide_mpp_field import SlideMppField
from wsiseg.viewer.widgets.status_line import StatusLine
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
        self.classes = ClassList(self._is_painted)
        self.region = combo_of(VIEW, DRAWN)
        self.mpp = QDoubleSpinBox(decimals=4, maximum=20, singleStep=0.1, suffix=" µm/px")
        self.slide_mpp = SlideMppField(napari_viewer)
        self.margin = QSpinBox(maximum=500, value=MARGIN, suffix=" px")
        self.folder = PathField("folder of annotations", ask_folder)
        self.kind = combo_of("OME-Zarr", "GeoJSON")
        self.if_exists = combo_of("refuse", "add", "replace")
        for place, text in enumerate(("do not save", "add to it", "replace it")):
            self.if_exists.setItemText(place, text)
        self.status = StatusLine()
        self._actions = ActionButtons(self, self.status)
        self.buttons = self._actions.buttons
        self.shapes = ShapeFiles(napari_viewer, self._actions, self.status)
        self._lay_out()
        self.shapes.widened.connect(self._show_widened)
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
            "What to do if the slide has an annotation already. "
            "Adding paints over it and erases nothing."
        )
        self.margin.setToolTip(
            "Pixels around what was painted that are saved as well. Beyond them, and outside "
            "checked regions, the labels that a mask predicted are not saved."
        )
        paint_form = form_of(
            {"Region": self.region, "Slide's µm/px": self.slide_mpp, "Resolution": self.mpp}
        )
        self._slide_mpp_label = paint_form.labelForField(self.slide_mpp)
        column = scrolling_column(self)
        column.addWidget(
            group_of(
                "Classes",
                self.classes,
                self._actions.row(
                    ("From mask", "Use the classes of the selected mask", self.take_from_mask),
                    (
                        "From checkpoint…",
                        "Use the classes of a checkpoint",
                        self._ask_for_checkpoint,
                    ),
                ),
            )
        )
        column.addWidget(
            group_of(
                "Paint",
                paint_form,
                self._actions.row(
                    ("New painting", "Start with nothing annotated", self.begin),
                    ("Correct mask", "Start with the labels of the selected mask", self.correct),
                ),
                self._actions.row(
                    ("Mark view as checked", "Every label in view is right", self.check_view),
                    (
                        "Draw checked regions",
                        "Draw regions in which every label is right",
                        self.check_drawn,
                    ),
                ),
            )
        )
        column.addWidget(
            group_of(
                "Save",
                form_of(
                    {
                        "Folder": self.folder,
                        "Format": self.kind,
                        "Existing file": self.if_exists,
                        "Margin": self.margin,
                    }
                ),
                self._actions.row(
                    ("Save", "Save what was painted or checked, for training", self.save)
                ),
            )
        )
        column.addWidget(self.shapes)
        column.addWidget(self.status)
        column.addStretch()

    # Classes

    def take_from_mask(self) -> None:
        """Paint with the classes of the selected mask, at its resolution."""
        with errors_notified(self.status.tell_failure):
            self._take_from(self._mask())

    def take_from_checkpoint(self, path: Path) -> None:
        """Paint with the classes of a network, at its resolution."""

        def load(_: Worker) -> tuple[dict[int, LabelClass], float | None, str]:
            from wsiseg.models.checkpoint import load_checkpoint

            checkpoint = load_checkpoint(path)
            return dict(enumerate(checkpoint.classes)), checkpoint.mpp, "checkpoint"

        self._actions.start("Reading the checkpoint…", load, lambda taken: self._take(*taken))

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

    def _show_widened(self, painting: Labels) -> None:
        region: RegionView = painting.metadata[KEY]
        if painting is self._painting:
            self.classes.show_classes(region.classes)

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
        with errors_notified(self.status.tell_failure):
            view = scene.current_slide(self._viewer)
            mpp = self.mpp.value() or self._own_mpp
            region = region_at(view, self._slide_box(view), mpp, self.classes.classes)
            self._add(painting_layer(region))

    def correct(self) -> None:
        """Add labels for a region that begin as those of a mask."""
        self.slide_mpp.give()
        with errors_notified(self.status.tell_failure):
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

            self._actions.start(
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
        with errors_notified(self.status.tell_failure):
            view = scene.current_painting(self._viewer).metadata[KEY].slide
            add_checked_box(self._viewer, view, scene.field_of_view(self._viewer, view))

    def check_drawn(self) -> None:
        """Let fields be drawn in which every label is right."""
        with errors_notified(self.status.tell_failure):
            view = scene.current_painting(self._viewer).metadata[KEY].slide
            layer = checked_shapes(self._viewer, view)
            self._viewer.layers.selection.active = layer
            layer.mode = "add_rectangle"

    # Saving

    def save(self) -> None:
        """Write what was painted or checked of the selected painting, or else of the topmost."""
        with errors_notified(self.status.tell_failure):
            layer = scene.current_painting(self._viewer)
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
                review.note_saved(labels)
                return path, float((kept != NO_LABEL).mean())

            self._actions.start("Saving…", write, lambda saved: self._tell_saved(region, *saved))

    def _tell_saved(self, region: RegionView, path: Path, share: float) -> None:
        self.status.setText(
            f"Saved as {path}: {share:.1%} of the region was painted or checked, the rest "
            "counts as not annotated"
        )
        share_folders(self._viewer, region.slide.slide.path.absolute().parent, path.parent)

    def _ask_for_checkpoint(self) -> None:
        if name := ask_checkpoint(self):
            self.take_from_checkpoint(Path(name))
