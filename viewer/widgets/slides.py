"""The *Slides* widget: the slides of a folder or a list, one after the other, and their states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QTreeWidgetItem,
    QWidget,
)

from wsiseg.errors import ArgumentError
from wsiseg.viewer import scene
from wsiseg.viewer.layers.layer_data import KEY, LayerData
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.notifications import errors_notified
from wsiseg.viewer.opening import furnish, scene_layers
from wsiseg.viewer.plain_text import plain
from wsiseg.viewer.project import ENDING, Project, SlideState, open_project
from wsiseg.viewer.reviewing import REVIEW
from wsiseg.viewer.widgets.dialogs import ask_folder
from wsiseg.viewer.widgets.layouts import columns_of, form_of, row_of
from wsiseg.viewer.widgets.path_field import PathField
from wsiseg.viewer.widgets.scrolling import scrolling_column
from wsiseg.viewer.widgets.sharing import share_mask_folder, working_on_slide
from wsiseg.viewer.widgets.status_line import StatusLine
from wsiseg.viewer.worker import Worker

if TYPE_CHECKING:
    import napari

_PATIENCE_MS = 500
"""After something came or went, before the disk is asked again."""


class SlidesWidget(QWidget):
    """Goes through the slides of a project.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The window.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._opening: Worker | None = None
        self._warned: frozenset[str] = frozenset()
        self.project: Project | None = None
        self.states: list[SlideState] = []
        self._items: list[QTreeWidgetItem] = []
        self._make_fields()
        self._lay_out()
        self._connect()
        self._update()

    def _make_fields(self) -> None:
        self.folder_button = QPushButton("Folder…")
        self.list_button = QPushButton("List or project…")
        self.folder_button.setToolTip("Go through the slides of a folder")
        self.list_button.setToolTip(
            f"A list of slides, the cohort.csv beside masks, or a project (*{ENDING})"
        )
        self.list = columns_of("slide", "state")
        self.list.setToolTip("A double click opens a slide.")
        self.previous, self.next = QPushButton("Previous"), QPushButton("Next")
        self.reviewed = QCheckBox("reviewed")
        self.reviewed.setToolTip("Tick it when you have reviewed this slide")
        self.masks = PathField("folder of masks", ask_folder)
        self.annotations = PathField("folder of annotations", ask_folder)
        self.saving = QPushButton("Save project…")
        self.saving.setToolTip("Save the list, the folders and what was reviewed in one file")
        self.status = StatusLine("Choose a folder of slides, a list, or a project.")
        self._asking = QTimer(self, singleShot=True, interval=_PATIENCE_MS)

    def _lay_out(self) -> None:
        column = scrolling_column(self)
        column.addLayout(_at_left(self.folder_button, self.list_button))
        column.addWidget(self.list)
        column.addLayout(_at_left(self.previous, self.next, self.reviewed))
        column.addLayout(form_of({"Masks": self.masks, "Annotations": self.annotations}))
        column.addWidget(self.saving)
        column.addWidget(self.status)

    def _connect(self) -> None:
        self.folder_button.clicked.connect(self._ask_for_folder)
        self.list_button.clicked.connect(self._ask_for_list)
        self.list.itemDoubleClicked.connect(self._open_item)
        self.previous.clicked.connect(lambda: self.step(-1))
        self.next.clicked.connect(lambda: self.step(1))
        self.reviewed.toggled.connect(self._review)
        self.masks.chosen.connect(self._take_folders)
        self.masks.line.editingFinished.connect(self._take_folders)
        self.annotations.chosen.connect(self._take_folders)
        self.annotations.line.editingFinished.connect(self._take_folders)
        self.saving.clicked.connect(self._ask_where_to_save)
        self._asking.timeout.connect(self._ask_disk)
        self._viewer.layers.events.inserted.connect(self._ask_soon)
        # napari knows nothing of a widget's end, at which its own methods are no longer called.
        self.destroyed.connect(lambda: self._part())  # noqa: PLW0108

    def _part(self) -> None:
        self._viewer.layers.events.inserted.disconnect(self._ask_soon)

    # The project

    def use_folders(self, slides: Path, annotations: Path) -> None:
        """Look for annotations where *Annotate* has saved one.

        Parameters
        ----------
        slides, annotations : Path
            Folder of slides, and folder of their annotations.
        """
        if self.project is not None:
            self.annotations.choose(annotations)

    def load(self, path: Path) -> None:
        """Open a folder of slides, a list, or a project, and show its current slide."""

        def take(project: Project) -> None:
            self.take(project)
            self.open(project.current)

        self._start(f"Reading {path.name}…", lambda _: open_project(path), take)

    def take(self, project: Project, *, shown: bool = False) -> None:
        """Go through these slides from now on.

        Parameters
        ----------
        project : Project
            The slides.
        shown : bool
            Whether the current one is in the window already.
        """
        self.project = project
        self.states = []
        with QSignalBlocker(self.masks), QSignalBlocker(self.annotations):
            self.masks.choose(project.masks)
            self.annotations.choose(project.annotations)
        share_mask_folder(self._viewer, project.masks)
        items = [QTreeWidgetItem([slide.path.name, ""]) for slide in project.slides]
        self._items = items
        for item, slide in zip(items, project.slides, strict=True):
            item.setToolTip(0, plain(str(slide.path)))
        self.list.clear()
        self.list.addTopLevelItems(items)
        if shown:
            self._tell_place()
        self._update()
        self._ask_disk()

    def _take_folders(self) -> None:
        if self.project is not None and self.masks.path is not None:
            self._change(masks=self.masks.path, annotations=self.annotations.path)
            share_mask_folder(self._viewer, self.masks.path)
            self._ask_disk()

    def _change(self, **fields: Any) -> None:
        if self.project is not None:
            self.project = replace(self.project, **fields)
            self._keep()

    def _keep(self) -> None:
        """Write the project again, if it has a file."""
        if self.project is not None and self.project.file is not None:
            with errors_notified(self.status.tell_failure):
                self.project = self.project.save(self.project.file)

    def save(self, path: Path) -> None:
        """Keep the project in a file, and every later change as well."""
        with errors_notified(self.status.tell_failure):
            if self.project is None:
                raise ArgumentError("there is no list of slides", None, "Choose one first.")
            self.project = self.project.save(path)
            self.status.setText(f"Saved as {path}")

    def _review(self, reviewed: bool) -> None:
        if self.project is not None:
            self.project = self.project.review(self.project.current, reviewed=reviewed)
            self._keep()
            self._ask_disk()

    # Slides

    def step(self, by: int) -> None:
        """Open the next slide, or the one before."""
        if self.project is not None:
            self.open(self.project.current + by)

    def open(self, place: int) -> None:
        """Open a slide of the list in place of what is shown.

        Parameters
        ----------
        place : int
            Its place in the list; nothing happens beyond its ends.
        """
        project = self.project
        if project is None or not 0 <= place < len(project.slides) or self._opening is not None:
            return
        with errors_notified(self.status.tell_failure):
            if self._would_lose():
                return
            slide = project.slides[place]
            make = partial(_layers_of, project.at(place))
            self._opening = self._start(
                f"Opening {slide.path.name}…", make, partial(self._show, place)
            )
            self._opening.ended.connect(self._end_opening)
            self._update()

    def _end_opening(self) -> None:
        self._opening = None
        self._update()

    def _would_lose(self) -> bool:
        """Tell what is in memory only and would be removed, until the user asks once more."""
        if working_on_slide(self._viewer):
            raise ArgumentError(
                "Segment is still running on this slide",
                None,
                "Wait until it is done, or cancel it.",
            )
        unsaved = frozenset(layer.name for layer in self._viewer.layers if _is_unsaved(layer))
        lost = bool(unsaved - self._warned)
        if lost:
            self._warned = unsaved
            self.status.setText(
                f"Not saved: {' and '.join(sorted(unsaved))} would be lost. Save in Annotate, or "
                "press once more to go on without saving."
            )
        return lost

    def _show(self, place: int, layers: list[LayerData]) -> None:
        viewer = self._viewer
        viewer.layers.clear()
        scene.add_layers(viewer, layers)
        furnish(viewer)
        viewer.reset_view()
        self._warned = frozenset()
        if self.project is not None:
            self.project = self.project.at(place)
            self._keep()
            viewer.title = plain(f"{self.project.slides[place].path.name} - wsiseg")
        self._tell_place()
        self._update()

    def _tell_place(self) -> None:
        if self.project is not None:
            place, slides = self.project.current, self.project.slides
            self.status.setText(f"Slide {place + 1} of {len(slides)}: {slides[place].path.name}")

    def _open_item(self, item: QTreeWidgetItem) -> None:
        self.open(self.list.indexOfTopLevelItem(item))

    # States

    def _ask_soon(self, _: object = None) -> None:
        if self.project is not None:
            self._asking.start()

    def _ask_disk(self) -> None:
        """Ask the disk what stands of every slide, in a thread."""
        project = self.project
        if project is None:
            return
        work = Worker(self, lambda _: project.states())
        work.returned.connect(partial(self._show_states, len(project.slides)))
        work.failed.connect(self.status.fail)
        work.start()

    def _show_states(self, slides: int, states: list[SlideState]) -> None:
        if self.project is None or len(self.project.slides) != slides:
            return
        self.states = states
        for item, state in zip(self._items, states, strict=True):
            item.setText(1, str(state))
        self._update()

    def _update(self) -> None:
        """Offer what can be done now, and mark the slide that is shown."""
        project, busy = self.project, self._opening is not None
        place = 0 if project is None else project.current
        last = -1 if project is None else len(project.slides) - 1
        self.previous.setEnabled(not busy and project is not None and place > 0)
        self.next.setEnabled(not busy and place < last)
        for widget in (self.reviewed, self.masks, self.annotations, self.saving):
            widget.setEnabled(project is not None)
        for row, item in enumerate(self._items):
            font = self.list.font()
            font.setBold(row == place)
            item.setFont(0, font)
        if project is not None:
            self.list.setCurrentItem(self._items[place])
            with QSignalBlocker(self.reviewed):
                self.reviewed.setChecked(project.slides[place].reviewed)

    # Work in threads, and dialogs

    def _start(
        self, text: str, function: Callable[[Worker], Any], done: Callable[[Any], None]
    ) -> Worker:
        self.status.setText(text)
        work = Worker(self, function)
        work.failed.connect(self.status.fail)
        work.returned.connect(done)
        work.start()
        return work

    def _ask_for_folder(self) -> None:
        if name := ask_folder(self):
            self.load(Path(name))

    def _ask_for_list(self) -> None:
        kinds = f"Lists and projects (*.csv *{ENDING})"
        name, _ = QFileDialog.getOpenFileName(self, "List of slides", "", kinds)
        if name:
            self.load(Path(name))

    def _ask_where_to_save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Save the project", f"project{ENDING}", f"Projects (*{ENDING})"
        )
        if name:
            self.save(Path(name if name.endswith(ENDING) else name + ENDING))


def _is_unsaved(layer: Any) -> bool:
    """Tell whether labels are in memory only."""
    if not isinstance(layer.metadata.get(KEY), RegionView):
        return False
    return REVIEW not in layer.metadata or not layer.metadata[REVIEW].is_saved(layer.data)


def _layers_of(project: Project, _: Worker) -> list[LayerData]:
    slide = project.slides[project.current]
    mask = project.states()[project.current].mask
    return scene_layers(slide.path, [] if mask is None else [mask], slide.slide_mpp)


def _at_left(*widgets: QWidget) -> QHBoxLayout:
    layout = row_of(*widgets)
    layout.setAlignment(Qt.AlignmentFlag.AlignLeft)
    return layout
