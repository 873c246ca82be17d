"""The *Segment* widget: labels what the window shows, what is drawn, or the whole slide."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QWidget,
)

from wsiseg.checkpoints.sources import read_source
from wsiseg.demo import DEFAULT, announce_default
from wsiseg.errors import ArgumentError, CheckpointError
from wsiseg.models.card import read_card
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.suitability import FORCEABLE
from wsiseg.tiling.slides.pixel_size import SANE_MPP
from wsiseg.tiling.uncertainty import Uncertainty
from wsiseg.viewer import scene
from wsiseg.viewer.layers.layer_data import KEY, LayerData, MaskView
from wsiseg.viewer.layers.preview import Preview, TileProgress
from wsiseg.viewer.notifications import errors_notified, notify_warning
from wsiseg.viewer.predictor_cache import PredictorCache
from wsiseg.viewer.segmentation import (
    DoubtfulInput,
    ExistingOutput,
    Outcome,
    PartTask,
    SlideTask,
)
from wsiseg.viewer.slide_resolution import UNREAD, describe_resolution, describe_trained
from wsiseg.viewer.widgets.colour_fields import ColourFields
from wsiseg.viewer.widgets.dialogs import ask_checkpoint, ask_folder
from wsiseg.viewer.widgets.live import EventLoopQueue, LiveLabels
from wsiseg.viewer.widgets.path_field import PathField
from wsiseg.viewer.widgets.plain_label import PlainLabel
from wsiseg.viewer.widgets.scrolling import scrolling_column
from wsiseg.viewer.widgets.slide_mpp_field import SlideMppField
from wsiseg.viewer.widgets.status_line import StatusLine
from wsiseg.viewer.worker import Worker

if TYPE_CHECKING:
    import napari

_OPTIONS = SegmentOptions()
_REFRESH_MS = 250
_MOST_NOTES = 3
_ENDING = "Cancelling after this tile"
_NO_UNCERTAINTY = "none"

TRAINED, TYPED, LEVEL_0 = range(3)
"""Resolutions, in the order in which they are offered."""

FIELD_OF_VIEW, REGION, WHOLE_SLIDE = range(3)
"""What can be segmented, in the order in which it is offered."""


class SegmentWidget(QWidget):
    """Labels what the window shows, what is drawn, or the whole slide.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The window.
    options : SegmentOptions
        What is not asked for.
    """

    def __init__(
        self, napari_viewer: napari.viewer.Viewer, options: SegmentOptions = _OPTIONS
    ) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._options = options
        self._predictors = PredictorCache()
        self._work: Worker | None = None
        self._existing: ExistingOutput | None = None
        self._doubtful: DoubtfulInput | None = None
        self._queue = EventLoopQueue(self)
        self._live = live = LiveLabels(napari_viewer)
        # Holds the preview, and not the widget, which is gone by then.
        self.destroyed.connect(lambda *_: live.remove())
        self._make_fields()
        self._lay_out()
        self._connect()
        self._read_resolution()
        self.slide_mpp.follow()
        self._update()

    def _make_fields(self) -> None:
        self.checkpoint = PathField(f"{DEFAULT}, bundled", ask_checkpoint)
        self.checkpoint.setToolTip(
            "A bundled checkpoint by name, a .safetensors file, or an address: https://, s3://, "
            "hf://OWNER/NAME"
        )
        self.resolution = QComboBox()
        self.resolution.addItems(["as trained", "µm per pixel", "level 0"])
        self.resolution.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.mpp = QDoubleSpinBox()
        self.mpp.setDecimals(4)
        self.mpp.setRange(*SANE_MPP)
        self.mpp.setSingleStep(0.05)
        self.mpp.setValue(0.5)
        self.colours = ColourFields()
        self.tta = QCheckBox("over 8 orientations")
        self.tta.setToolTip(
            "Average the predictions of each tile turned and mirrored: takes eight times as long"
        )
        self.tta.setChecked(self._options.tta)
        self.uncertainty = QComboBox()
        self.uncertainty.addItems([_NO_UNCERTAINTY, *get_args(Uncertainty)])
        self.uncertainty.setToolTip(
            "Of a whole slide: how uncertain each pixel is, saved beside the mask"
        )
        self.uncertainty.setCurrentText(self._options.uncertainty or _NO_UNCERTAINTY)
        self.slide_mpp = SlideMppField(self._viewer)
        self.plan = PlainLabel(wrap=True)
        self.scope = QComboBox()
        self.scope.addItems(["Field of view", "Drawn region", "Whole slide"])
        self.folder = PathField("folder of the slide", ask_folder)
        self.starting, self.cancelling = QPushButton("Start"), QPushButton("Cancel")
        self.resuming, self.overwriting = QPushButton("Resume"), QPushButton("Overwrite")
        self.forcing = QPushButton("Segment all the same")
        self.bar = QProgressBar()
        self.status = StatusLine(f"No checkpoint is chosen: {announce_default()}.")
        self._clock = QTimer(self)
        self._clock.setInterval(_REFRESH_MS)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Checkpoint", self.checkpoint)
        form.addRow("Slide's µm/px", self.slide_mpp)
        form.addRow("Resolution", _row(self.resolution, self.mpp))
        form.addRow(self.plan)
        form.addRow("Colours", self.colours)
        form.addRow("Averaging", self.tta)
        form.addRow("Uncertainty", self.uncertainty)
        form.addRow("Segment", self.scope)
        form.addRow("Save in", self.folder)
        self._slide_mpp_label = form.labelForField(self.slide_mpp)
        self._buttons = _row(self.starting, self.cancelling)
        self._choice = _row(self.resuming, self.overwriting)
        column = scrolling_column(self)
        column.addLayout(form)
        for widget in (self._buttons, self.bar, self.status, self._choice, self.forcing):
            column.addWidget(widget)
        column.addStretch()

    def _connect(self) -> None:
        self.checkpoint.edited.connect(self._read_resolution)
        self.checkpoint.chosen.connect(self._load)
        self.resolution.currentIndexChanged.connect(self._update)
        self.mpp.valueChanged.connect(self._update_plan)
        self.slide_mpp.followed.connect(self._update_plan)
        self.scope.currentIndexChanged.connect(self._update)
        self.starting.clicked.connect(self.start)
        self.cancelling.clicked.connect(self.cancel)
        self.resuming.clicked.connect(self.resume)
        self.overwriting.clicked.connect(self.overwrite)
        self.forcing.clicked.connect(self.force)
        self._clock.timeout.connect(self._refresh)

    @property
    def is_running(self) -> bool:
        """Whether something runs: a segmentation, or the loading of a checkpoint."""
        return self._work is not None

    def choose_checkpoint(self, path: Path | str | None) -> None:
        """Take another checkpoint, the default one if None, from the next run on."""
        self.checkpoint.choose(path)

    def choose_mask_folder(self, folder: Path) -> None:
        """Write the masks of whole slides there."""
        self.folder.choose(folder)

    def start(self) -> None:
        """Segment what is asked for."""
        # What is typed counts without Enter, too.
        self.slide_mpp.give()
        with errors_notified(self.status.tell_failure):
            self._run(self._task())

    def cancel(self) -> None:
        """End what runs, at its next tile."""
        if self._work is not None:
            self._work.cancel()
            self.cancelling.setEnabled(False)
            self.status.setText(_ENDING)

    def resume(self) -> None:
        """Resume the existing run, or show its finished mask."""
        if self._existing is not None:
            task = self._existing.task
            if self._existing.finished:
                self._begin(partial(_show_existing, task))
            else:
                self._run(task.resuming())

    def overwrite(self) -> None:
        """Overwrite the existing output."""
        if self._existing is not None:
            for layer in scene.masks_of(self._viewer, self._existing.task.files.store):
                self._viewer.layers.remove(layer)
            self._run(self._existing.task.overwriting())

    def force(self) -> None:
        """Segment what was refused because it looks wrong."""
        if self._doubtful is not None:
            self._run(self._doubtful.task.forced())

    @property
    def _chosen_resolution(self) -> SegmentOptions:
        resolution = self.resolution.currentIndex()
        return self._options.replace(
            mpp=self.mpp.value() if resolution == TYPED else self._options.mpp,
            level=0 if resolution == LEVEL_0 else None,
        )

    def _task(self) -> PartTask | SlideTask:
        view, checkpoint = scene.current_slide(self._viewer), self.checkpoint.text
        scope, colours = self.scope.currentIndex(), self.colours.colours
        options = self._chosen_resolution.replace(
            icc=colours.icc,
            stain=colours.stain,
            stain_reference=colours.reference,
            tta=self.tta.isChecked(),
            uncertainty=None,
        )
        if scope == WHOLE_SLIDE:
            measure = self.uncertainty.currentText()
            kept = options.replace(uncertainty=None if measure == _NO_UNCERTAINTY else measure)
            return SlideTask(view, checkpoint, kept, self.folder.path)
        if scope == REGION:
            region = scene.drawn_region(self._viewer, view.frame)
            return PartTask.of_region(view, checkpoint, options, region)
        return PartTask(view, checkpoint, options, scene.field_of_view(self._viewer, view))

    def _run(self, task: PartTask | SlideTask) -> None:
        self._begin(partial(_run_task, task, self._predictors))

    def _read_resolution(self) -> None:
        """Read at which resolution the checkpoint was trained, where that costs nothing."""
        trained: float | str | None = UNREAD
        with suppress(CheckpointError, ArgumentError):
            file = read_source(self.checkpoint.text or DEFAULT)
            if isinstance(file, Path) and file.is_file():
                trained = read_card(file)[0].mpp
        self._show_resolution(trained)

    def _show_resolution(self, trained: float | str | None) -> None:
        self._trained = trained
        self.resolution.setItemText(TRAINED, describe_trained(trained))
        self._update_plan()

    def _load(self) -> None:
        # One that is chosen during a run is loaded with the next.
        if self.checkpoint.text is not None:
            self._begin(partial(_load, self.checkpoint.text, self._options, self._predictors))

    def _begin(self, function: Callable[[Worker], object]) -> None:
        if self.is_running:
            return
        self._existing = self._doubtful = None
        # The function holds no part of this widget, whose end therefore is the end of the work.
        work = self._work = Worker(self, function)
        work.reported.connect(self._hear)
        work.returned.connect(self._take)
        work.failed.connect(self.status.fail)
        work.ended.connect(self._end)
        self.status.clear()
        self.bar.setRange(0, 0)
        self._clock.start()
        self._update()
        work.start()

    def _hear(self, news: object) -> None:
        match news:
            case Preview():
                self._live.show(news)
            case TileProgress():
                self.bar.setRange(0, news.wanted)
                self.bar.setValue(news.tiles)
                self._say(str(news))
            case Checkpoint():
                self._show_resolution(news.mpp)
                self._say(f"{news.card.architecture}, {len(news.classes)} classes")
            case str():
                self.bar.setRange(0, 0)
                self._say(news)

    def _take(self, found: object) -> None:
        match found:
            case Outcome():
                self._show(found.layers)
                self.status.setText(_describe(found))
                if found.unread:
                    notify_warning(f"{found.unread} tiles could not be read and are left blank.")
            case DoubtfulInput():
                self._doubtful = found
                self.status.setText(f"{found.doubt[:1].upper()}{found.doubt[1:]}.")
            case ExistingOutput():
                self._existing = found
                what = "A finished mask" if found.finished else "An unfinished run"
                self.status.setText(f"{what} exists already: {found.path.name}")
                self.resuming.setText("Show it" if found.finished else "Resume")

    def _show(self, layers: list[LayerData]) -> None:
        *below, labels = layers
        view = labels[1]["metadata"][KEY]
        if isinstance(view, MaskView):
            for stale in scene.masks_of(self._viewer, view.image.path):
                self._queue.add(partial(self._viewer.layers.remove, stale))
        for layer in below:
            self._queue.add(partial(scene.add_layers, self._viewer, [layer]))
        self._queue.add(partial(self._live.settle, labels))

    def _end(self) -> None:
        if self.status.text() == _ENDING:
            self.status.setText("Cancelled")
        self._queue.add(self._wind_up)

    def _wind_up(self) -> None:
        self._work = None
        self._clock.stop()
        self._live.remove()
        self._update()

    def _say(self, text: str) -> None:
        if self.cancelling.isEnabled():
            self.status.setText(text[:1].upper() + text[1:])

    def _refresh(self) -> None:
        self._live.refresh()

    def _update(self) -> None:
        """Offer what can be done now."""
        self.mpp.setVisible(self.resolution.currentIndex() == TYPED)
        self._update_plan()
        for field in (self.folder, self.uncertainty):
            field.setEnabled(self.scope.currentIndex() == WHOLE_SLIDE)
        self.starting.setEnabled(not self.is_running)
        self.cancelling.setEnabled(self.is_running)
        self.bar.setVisible(self.is_running)
        self._choice.setVisible(self._existing is not None)
        self.forcing.setVisible(self._doubtful is not None)

    def _update_plan(self) -> None:
        """Say at which resolution would be worked, and ask for the slide's if it is unknown."""
        view = self.slide_mpp.view
        for part in (self.slide_mpp, self._slide_mpp_label):
            part.setVisible(self.slide_mpp.is_wanted)
        self.plan.setVisible(view is not None)
        if view is not None:
            self.plan.setText(describe_resolution(self._chosen_resolution, self._trained, view))


def _run_task(task: PartTask | SlideTask, predictors: PredictorCache, work: Worker) -> object:
    try:
        return task.run(predictors, work.report)
    except FORCEABLE as error:
        return DoubtfulInput(task, error.what)


def _show_existing(task: SlideTask, work: Worker) -> object:
    work.report("opening the mask")
    return task.show_existing()


def _load(source: str, options: SegmentOptions, predictors: PredictorCache, work: Worker) -> None:
    predictors.load(source, options, work.report)


def _describe(found: Outcome) -> str:
    notes, rest = found.notes[:_MOST_NOTES], len(found.notes) - _MOST_NOTES
    more = [f"and {rest} more"] if rest > 0 else []
    return "\n".join([f"Done: {found.text}", *notes, *more])


def _row(*widgets: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return row
