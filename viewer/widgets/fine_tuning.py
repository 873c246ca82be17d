"""Fine-tune: ``wsiseg train`` on what was annotated, with its curves while it runs."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import napari
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QWidget,
)

from wsiseg.demo import DEFAULT, bundled_checkpoints
from wsiseg.errors import ArgumentError
from wsiseg.tiling.slides.pixel_size import SANE_MPP
from wsiseg.training.metrics.plots import name_scored
from wsiseg.training.run_folder import RunFolder
from wsiseg.viewer import scene
from wsiseg.viewer.fine_tuning import (
    Event,
    FineTuning,
    TrainingProgress,
    can_resume,
    describe_event,
    missing_packages,
    prepare,
    prepare_resuming,
)
from wsiseg.viewer.notifications import errors_notified, notify_error
from wsiseg.viewer.slide_resolution import typed_mpp
from wsiseg.viewer.training_notes import read_curves, read_warnings
from wsiseg.viewer.widgets.curves import Curve, Curves, Plots
from wsiseg.viewer.widgets.dialogs import ask_checkpoint, ask_folder
from wsiseg.viewer.widgets.layouts import row_of
from wsiseg.viewer.widgets.path_field import PathField
from wsiseg.viewer.widgets.plain_label import PlainLabel
from wsiseg.viewer.widgets.scrolling import scrolling_column
from wsiseg.viewer.widgets.sharing import share_checkpoint
from wsiseg.viewer.widgets.training import Training
from wsiseg.viewer.widgets.warnings_label import WarningsLabel
from wsiseg.viewer.worker import Worker

_COLUMNS = ("train_loss", "val_loss", "val_miou")
"""Of ``metrics.csv``."""
_LINES = 500
"""Of what the training says that are kept."""
_MOST_EPOCHS = 10_000
"""Whose curves are still read in a moment."""
_REDRAW_MS = 200
_TIPS = {
    "Annotations": "Files named as the slides; slides without one are left out",
    "Class map": "Which class each name means; without it, each name is a class of its own",
    "Initial weights": "Classes that the checkpoint does not know start from random weights",
    "Slides' µm/px": "µm per pixel of level 0, where the files state none",
    "More options": "Further options of wsiseg train",
}


class FineTuneWidget(QWidget):
    """Trains a network on annotated slides while the window goes on being used.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The window.
    """

    trained = Signal(object)
    """The path of a new checkpoint."""

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._preparing: Worker | None = None
        self._training: Training | None = None
        self._progress = TrainingProgress()
        self._learning_since: tuple[TrainingProgress, float] | None = None
        self._run: Path | None = None
        self._suggested: Path | None = None
        self._wanted = False
        self._redrawing = QTimer(self, singleShot=True, interval=_REDRAW_MS)
        self._redrawing.timeout.connect(self._show_curves)
        self._build_fields()
        self._build_rest()
        self._show_state()
        if missing := missing_packages():
            self.status.setText(
                f"Training needs {' and '.join(missing)}:\npip install 'wsiseg[train]'"
            )

    def use_folders(self, slides: Path, annotations: Path) -> None:
        """Train on these slides and their annotations.

        Parameters
        ----------
        slides, annotations : Path
            The two folders.
        """
        self.slides.choose(slides)
        self.annotations.choose(annotations)

    def begin_with(self, checkpoint: Path | str | None) -> None:
        """Choose the initial checkpoint, as `train` takes it; None for random weights."""
        word = "" if checkpoint is None else str(checkpoint)
        if self.init.findData(word) < 0:
            self.init.insertItem(self.init.count() - 1, Path(word).name, word)
        self.init.setCurrentIndex(self.init.findData(word))

    @property
    def is_running(self) -> bool:
        """Whether a training runs or is about to."""
        return self._preparing is not None or self._training is not None

    def start(self) -> None:
        """Start a training run."""
        self._look_at_slides()
        with errors_notified(self._tell):
            wanted = self._read_fields()
            self._begin(wanted.run, lambda _: prepare(wanted))

    def resume(self) -> None:
        """Resume the run in the folder."""
        with errors_notified(self._tell):
            run = _given(self.run, "folder of a training")
            self._begin(run, lambda _: prepare_resuming(run))

    def cancel(self) -> None:
        """End the training so that it can be resumed."""
        self._wanted = False
        self._tell("cancelling …" if self._training is not None else "cancelled")
        if self._training is not None:
            self._training.cancel()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Suggest the folder of the slide in the window, and the µm per pixel typed for it."""
        super().showEvent(event)
        self._look_at_slides()

    def _look_at_slides(self) -> None:
        shown = list(scene.slides(self._viewer).values())
        if self.slides.path is None and shown:
            self.slides.choose(shown[-1].slide.path.parent)
        typed = next(filter(None, map(typed_mpp, reversed(shown))), None)
        if typed is not None and not self.slide_mpp.value():
            self.slide_mpp.setValue(typed)

    def _build_fields(self) -> None:
        self.slides = PathField("folder of slides", ask_folder)
        self.annotations = PathField("folder of annotations", ask_folder)
        self.annotations.chosen.connect(self._suggest_run)
        self.annotations.line.editingFinished.connect(self._suggest_run)
        self.init = QComboBox()
        for name in bundled_checkpoints():
            self.init.addItem(f"{name}, bundled", name)
        self.init.addItem("random weights, from scratch", "")
        self.init.addItem("another checkpoint…")
        self.init.activated.connect(self._choose_checkpoint)
        self.mpp = QDoubleSpinBox(decimals=4, maximum=100.0, singleStep=0.25)
        self.mpp.setSpecialValueText("the checkpoint's")
        self.mpp.setSuffix(" µm per pixel")
        self.slide_mpp = QDoubleSpinBox(decimals=4, maximum=SANE_MPP[1], singleStep=0.05)
        self.slide_mpp.setSpecialValueText("as their files state")
        self.slide_mpp.setSuffix(" µm per pixel")
        self.epochs = QSpinBox(minimum=1, maximum=_MOST_EPOCHS, value=30)
        self.tiles = QSpinBox(maximum=10_000_000)
        self.tiles.setSpecialValueText("by annotated area")
        self.class_map = QLineEdit(placeholderText="Tumor=tumour,unannotated=background")
        self.extra_options = QLineEdit(placeholderText="--lr 0.001 --batch 4")
        self.run = PathField("folder of the run", ask_folder)
        self.run.chosen.connect(self._show_run)
        self.run.line.editingFinished.connect(self._show_run)
        self.overwrite = QCheckBox("overwrite an existing run")

    def _build_rest(self) -> None:
        self.start_button = QPushButton("Start")
        self.start_button.clicked.connect(self.start)
        self.resume_button = QPushButton("Resume")
        self.resume_button.clicked.connect(self.resume)
        self.resume_button.setToolTip(
            "Continue after the last finished epoch, with the settings of the run"
        )
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self.cancel)
        self.bar = QProgressBar(textVisible=False)
        self.status = PlainLabel(wrap=True)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.warnings = WarningsLabel()
        self.curves = Curves(_plots("validation"))
        self.log = QPlainTextEdit(readOnly=True, maximumBlockCount=_LINES)
        self.log.setMaximumHeight(90)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        for label, field in (
            ("Slides", self.slides),
            ("Annotations", self.annotations),
            ("Class map", self.class_map),
            ("Initial weights", self.init),
            ("Slides' µm/px", self.slide_mpp),
            ("Resolution", self.mpp),
            ("Epochs", self.epochs),
            ("Tiles per epoch", self.tiles),
            ("More options", self.extra_options),
            ("Output", self.run),
            ("", self.overwrite),
        ):
            field.setToolTip(_TIPS.get(label, ""))
            form.addRow(label, field)
        layout = scrolling_column(self)
        layout.addLayout(form)
        layout.addLayout(row_of(self.start_button, self.resume_button, self.cancel_button))
        for part in (self.bar, self.status, self.warnings):
            layout.addWidget(part)
        layout.addWidget(self.curves, stretch=1)
        layout.addWidget(self.log)

    def _choose_checkpoint(self, place: int) -> None:
        if self.init.itemData(place) is not None:
            return
        chosen = ask_checkpoint(self)
        self.begin_with(Path(chosen) if chosen else DEFAULT)

    def _suggest_run(self) -> None:
        """Name a folder beside the annotations, unless the user has named another."""
        drawn = self.annotations.path
        if drawn is not None and self.run.path in (None, self._suggested):
            self._suggested = drawn.parent / f"{drawn.name}-training"
            self.run.choose(self._suggested)

    def _read_fields(self) -> FineTuning:
        try:
            extra_options = tuple(shlex.split(self.extra_options.text()))
        except ValueError as error:
            raise ArgumentError(
                f"more options cannot be read: {error}", self.extra_options.text()
            ) from error
        return FineTuning(
            slides=_given(self.slides, "folder of slides"),
            annotations=_given(self.annotations, "folder of annotations"),
            run=_given(self.run, "folder of the run"),
            init=self.init.currentData() or None,
            mpp=self.mpp.value() or None,
            slide_mpp=self.slide_mpp.value() or None,
            epochs=self.epochs.value(),
            tiles=self.tiles.value() or None,
            class_map=self.class_map.text().strip(),
            overwrite=self.overwrite.isChecked(),
            extra_options=extra_options,
        )

    def _begin(self, run: Path, prepare_command: Callable[[Worker], list[str]]) -> None:
        if self.is_running:
            return
        self._run, self._progress, self._learning_since = run, TrainingProgress(), None
        self._wanted = True
        self.log.clear()
        self._preparing = Worker(self, prepare_command)
        self._preparing.returned.connect(self._launch)
        self._preparing.failed.connect(self._fail)
        self._preparing.ended.connect(self._forget_preparing)
        self._preparing.start()
        self._show_progress()
        self._show_state()

    def _launch(self, command: list[str]) -> None:
        if self._wanted:
            self._training = Training(self)
            self._training.happened.connect(self._take_in)
            self._training.ended.connect(self._end)
            self._training.start(command)
            self._show_curves()

    def _forget_preparing(self) -> None:
        self._preparing = None
        self._show_state()

    def _take_in(self, event: Event) -> None:
        """Show an event of the training."""
        if not self._wanted:
            return
        before, self._progress = self._progress, self._progress.after(event)
        if (line := describe_event(event)) is not None:
            self.log.appendPlainText(line)
        if self._learning_since is None and self._progress.epochs:
            self._show_curves()
            # One that is resumed has finished epochs already.
            finished = len(self.curves.points.get("train_loss", ()))
            self._progress = replace(self._progress, epoch=finished)
            self._learning_since = self._progress, time.monotonic()
        elif self._progress.epoch > before.epoch and not self._redrawing.isActive():
            # Epochs of a small training follow each other faster than anybody looks.
            self._redrawing.start()
        self._show_progress()

    def _end(self, status: int) -> None:
        """Tell how the training ended."""
        self._training = None
        self._show_curves()
        self._show_state()
        if not self._wanted:
            self._tell(f"cancelled in epoch {self._progress.epoch + 1}")
        elif self._progress.checkpoint is not None:
            self._hand_over(self._progress.checkpoint)
        else:
            self._fail(self._progress.error or f"the training has crashed (status {status})")

    def _hand_over(self, checkpoint: Path) -> None:
        """Pass a new checkpoint to the widgets that use one."""
        best = self._progress.best
        score = "" if best is None else f"best {self._scored} mean IoU {best:.3f}, "
        self._tell(f"{score}now used by Segment:\n{checkpoint}")
        share_checkpoint(self._viewer, checkpoint)
        self.trained.emit(checkpoint)

    def _fail(self, why: str) -> None:
        self._tell(why)
        notify_error(why)

    def _tell(self, text: str) -> None:
        self.status.setText(text)

    def _show_run(self) -> None:
        """Show the curves of the run in the folder."""
        if not self.is_running and self.run.path is not None:
            self._run = self.run.path.absolute()
            self._show_curves()
            self.warnings.show_lines([])
            with errors_notified(self._tell):
                self.warnings.show_lines(read_warnings(self._run))
            self._show_state()

    def _show_progress(self) -> None:
        left = None
        if self._learning_since is not None:
            before, begun = self._learning_since
            left = self._progress.seconds_left(before, time.monotonic() - begun)
        self._tell(self._progress.describe(left, self._scored))
        self.warnings.show_lines(self._progress.warnings)
        # Without an end, the bar shows that something is being done.
        self.bar.setRange(0, self._progress.epochs * self._progress.steps)
        self.bar.setValue(self._progress.done)

    @property
    def _scored(self) -> str:
        """Which data the scores of the run are of."""
        return "validation" if self._run is None else RunFolder(self._run).scored_data

    def _show_curves(self) -> None:
        if self._run is not None:
            self.curves.show_plots(_plots(self._scored))
            with errors_notified(self._tell):
                self.curves.show_points(read_curves(self._run, _COLUMNS))

    def _show_state(self) -> None:
        """Let only those buttons be pressed that do something now."""
        self.start_button.setEnabled(not self.is_running)
        self.resume_button.setEnabled(
            not self.is_running and self._run is not None and can_resume(self._run)
        )
        self.cancel_button.setEnabled(self.is_running)
        self.bar.setVisible(self.is_running)


def _plots(scored: str) -> Plots:
    """Return what is drawn, named after the data that are scored."""
    curve = Curve(name_scored(scored), "#e8964c")
    return {
        "loss": {"train_loss": Curve("training", "#4c9be8"), "val_loss": curve},
        f"{scored} mean IoU": {"val_miou": curve},
    }


def _given(field: PathField, what: str) -> Path:
    if field.path is None:
        raise ArgumentError(f"no {what} is given", None, "Choose one.")
    return field.path.absolute()
