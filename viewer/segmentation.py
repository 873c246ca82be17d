"""Segmentation that a window asks for: a part of a slide in memory, or all of it to the disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from shapely.geometry.base import BaseGeometry

from wsiseg.demo import announce_default
from wsiseg.errors import ArgumentError, OutputExistsError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.runtimes import Predictor
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import Plan
from wsiseg.segmentation.provenance import read_run
from wsiseg.segmentation.run_stats import RunStats
from wsiseg.segmentation.segmenting import segment_slide
from wsiseg.segmentation.streaming import TileStream
from wsiseg.store.arrays import BAND_HEIGHT
from wsiseg.store.disk import Json
from wsiseg.store.metadata import NOT_ANALYSED
from wsiseg.store.outputs import OutputFiles
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.regions import Regions
from wsiseg.tiling.slides import MeasuredSlide
from wsiseg.viewer.layers.layer_data import KEY, MASK_OPACITY, LayerData, SlideView
from wsiseg.viewer.layers.preview import Preview, Report, RunListener
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.notifications import damage_notifier
from wsiseg.viewer.painting import painting_look
from wsiseg.viewer.part_plan import plan_part
from wsiseg.viewer.plain_text import plain
from wsiseg.viewer.predictor_cache import PredictorCache
from wsiseg.viewer.readers.stores import store_layers
from wsiseg.viewer.reviewing import REVIEW, Review


@dataclass(frozen=True)
class Outcome:
    """What a run gives.

    Attributes
    ----------
    layers : list of LayerData
        To be shown.
    text : str
        What was done.
    notes : tuple of str
        What was assumed or left out.
    unread : int
        Tiles that could not be read and are left blank.
    """

    layers: list[LayerData]
    text: str
    notes: tuple[str, ...]
    unread: int


@dataclass(frozen=True)
class ExistingOutput:
    """An output that exists already, and may be resumed or overwritten.

    Attributes
    ----------
    task : SlideTask
        The task whose output exists.
    path : Path
        The first of its files.
    finished : bool
        Whether it is a finished mask.
    """

    task: SlideTask
    path: Path
    finished: bool


@dataclass(frozen=True)
class DoubtfulInput:
    """A slide or a resolution that looks wrong, and may be segmented all the same.

    Attributes
    ----------
    task : PartTask or SlideTask
        What was asked for.
    doubt : str
        What is wrong with it.
    """

    task: PartTask | SlideTask
    doubt: str


@dataclass(frozen=True)
class PartTask:
    """Labelling a part of a slide in memory.

    The tiles are those of `segment` on the whole slide with the same `tile` and `halo`, and so
    are the labels, bit for bit.  A tile that is not given is chosen smaller than `segment` would,
    so that a part costs little more than its own area; the labels are then still those of
    `segment` wherever the network sees no further than the halo, and may differ near the borders
    of tiles where it does.

    Attributes
    ----------
    view : SlideView
        The slide.
    checkpoint : path-like or None
        As :func:`wsiseg.load_checkpoint` takes it; the default one if None.
    options : SegmentOptions
        How; what says where to look, as tissue, does not count.
    slide_box : Box
        The part, in pixels of level 0.
    region : shapely geometry or None
        What of it is labelled, ``x, y`` in pixels of level 0.
    """

    view: SlideView
    checkpoint: Path | str | None
    options: SegmentOptions
    slide_box: Box
    region: BaseGeometry | None = None

    @classmethod
    def of_region(
        cls,
        view: SlideView,
        checkpoint: Path | str | None,
        options: SegmentOptions,
        region: BaseGeometry,
    ) -> PartTask:
        """Return the task of labelling a region.

        Parameters
        ----------
        view : SlideView
            The slide.
        checkpoint : path-like or None
            As :func:`wsiseg.load_checkpoint` takes it; the default one if None.
        options : SegmentOptions
            How it is labelled.
        region : shapely geometry
            ``x, y`` in pixels of level 0.

        Raises
        ------
        ArgumentError
            If it lies outside the slide.
        """
        box = view.box_around(region)
        if not box.area:
            raise ArgumentError(f"the region lies outside {view.slide.name}")
        return cls(view, checkpoint, options, box, region)

    def forced(self) -> PartTask:
        """Return the task of going on although the input looks wrong."""
        return replace(self, options=self.options.replace(force=True))

    def run(self, predictors: PredictorCache, report: Report) -> Outcome:
        """Label the part.

        Parameters
        ----------
        predictors : PredictorCache
            Where the predictor is taken from.
        report : callable
            Receives progress, see :data:`wsiseg.viewer.layers.preview.Report`.

        Returns
        -------
        Outcome
            The labels as a layer.

        Raises
        ------
        ArgumentError
            If it is too large.
        WsisegError
            As `segment`.
        """
        predictor = predictors.load(self.checkpoint, self.options, report)
        options, notes = settle_resolution(self.options, predictor.checkpoint, self.view)
        report("planning")
        plan, part = plan_part(self.view, self.slide_box, predictor, options)
        if self.region is not None:
            plan = replace(plan, regions=Regions(self.region, part.plane))
        listener = RunListener(report, self.view, [*_notes(self.checkpoint), *notes])
        stats = RunStats(plan.classes, listener)
        for warning in (*predictor.checkpoint.notes, *plan.warnings):
            stats.warn(warning)
        listener.show(Preview(part, plan.regions))
        labels = self._label(plan, part.box, predictor, options, stats)
        return Outcome(
            [self._layer(labels, part)],
            f"{part.box.width}×{part.box.height} px {_at(part.plane.mpp)} in "
            f"{_count(len(stats.rows))}, {stats.watch.total:.1f} s",
            tuple(listener.notes),
            stats.unread_tiles,
        )

    def _label(
        self, plan: Plan, box: Box, predictor: Predictor, options: SegmentOptions, stats: RunStats
    ) -> npt.NDArray[np.uint8]:
        top = box.y // BAND_HEIGHT * BAND_HEIGHT
        window = Box(top, box.x, box.bottom - top, box.width)
        stats.began("preparing the network")
        stream = TileStream(self.view.slide, predictor, plan, options)
        stats.expect(len(stream.tiles(window)))
        labels = np.full(box.shape, NO_LABEL, np.uint8)
        for step in stream.steps(window):
            stats.record_step(step, box)
            for band in step.bands:
                place = band.box.intersection(box)
                labels[place.slices_in(box)] = band.labels[place.slices_in(band.box)]
        stats.warn_of_bad_numbers()
        return labels

    def _layer(self, labels: npt.NDArray[np.uint8], part: RegionView) -> LayerData:
        what = "field of view" if self.region is None else "region"
        settings = {
            "name": plain(f"{self.view.slide.name} {what}"),
            "opacity": MASK_OPACITY,
            # It can be painted on at once.
            "metadata": {KEY: part, REVIEW: Review(labels)},
            **part.placing(),
            **painting_look(part.classes, NOT_ANALYSED),
        }
        return labels, settings, "labels"


@dataclass(frozen=True)
class SlideTask:
    """Labelling a whole slide to the disk.

    Attributes
    ----------
    view : SlideView
        The slide.
    checkpoint : path-like or None
        As :func:`wsiseg.load_checkpoint` takes it; the default one if None.
    options : SegmentOptions
        How.
    folder : Path or None
        Where the mask goes; the slide's own folder if None.
    """

    view: SlideView
    checkpoint: Path | str | None
    options: SegmentOptions
    folder: Path | None = None

    @property
    def files(self) -> OutputFiles:
        """What it leaves on the disk."""
        folder = self.folder or self.view.slide.path.absolute().parent
        return OutputFiles(folder, self.view.slide.name, self.options.with_image)

    def resuming(self) -> SlideTask:
        """Return the task of resuming the existing run."""
        return replace(self, options=self.options.replace(resume=True, overwrite=False))

    def forced(self) -> SlideTask:
        """Return the task of going on although the input looks wrong."""
        return replace(self, options=self.options.replace(force=True))

    def overwriting(self) -> SlideTask:
        """Return the task of overwriting the existing output."""
        return replace(self, options=self.options.replace(resume=False, overwrite=True))

    def run(self, predictors: PredictorCache, report: Report) -> Outcome | ExistingOutput:
        """Label the slide, unless an output exists that the options neither resume nor overwrite.

        Parameters
        ----------
        predictors : PredictorCache
            Where the predictor is taken from.
        report : callable
            Receives progress, see :data:`wsiseg.viewer.layers.preview.Report`.

        Returns
        -------
        Outcome or ExistingOutput
            The mask as layers, or what exists already.

        Raises
        ------
        OutputExistsError
            If something that is no run's output exists there, such as a painting.
        WsisegError
            As `segment`.
        """
        files = self.files
        if files.existing is not None and not (self.options.resume or self.options.overwrite):
            if not (files.journal.exists() or files.finished):
                raise OutputExistsError(
                    "the folder already holds a file of this name that Segment did not make",
                    files.existing,
                    "Choose another folder.",
                )
            return ExistingOutput(self, files.existing, files.finished)
        predictor = predictors.load(self.checkpoint, self.options, report)
        options, notes = settle_resolution(self.options, predictor.checkpoint, self.view)
        listener = RunListener(report, self.view, [*_notes(self.checkpoint), *notes])
        result = segment_slide(self.view.slide, predictor, files.folder, options, listener)
        return self._outcome(result.summary, tuple(listener.notes))

    def show_existing(self) -> Outcome:
        """Return the existing finished mask, whatever it was made with.

        Raises
        ------
        OutputError, AnnotationError
            If it cannot be read.
        """
        return self._outcome(read_run(self.files.run)["summary"], ())

    def _outcome(self, summary: Json, notes: tuple[str, ...]) -> Outcome:
        return Outcome(
            store_layers(self.files.mask, damage_notifier(), self.view.frame),
            f"{summary['megapixels']:.1f} Mpx in {_count(summary['tiles'])}, "
            f"{summary['seconds']:.1f} s: {self.files.store.name}",
            notes,
            int(str(summary["unread_tiles"])),
        )


def settle_resolution(
    options: SegmentOptions, checkpoint: Checkpoint, view: SlideView
) -> tuple[SegmentOptions, list[str]]:
    """Work at the checkpoint's resolution, or at level 0 where it names none.

    Parameters
    ----------
    options : SegmentOptions
        As the user chose them.
    checkpoint : Checkpoint
        Whose resolution counts if none is chosen.
    view : SlideView
        The slide.

    Returns
    -------
    SegmentOptions, list of str
        And what was assumed.

    Raises
    ------
    ArgumentError
        If there are µm per pixel to work at, and the slide has none.
    """
    # For the run file, by which the run is to be repeated.
    if isinstance(view.slide, MeasuredSlide):
        options = options.replace(slide_mpp=view.slide.mpp_given, override_mpp=view.slide.overrides)
    if options.level is not None:
        return options, []
    if options.mpp is None and checkpoint.mpp is None:
        note = "the checkpoint names no µm per pixel, level 0 is taken as it is"
        return options.replace(level=0), [note]
    if view.frame.mpp is None:
        wanted = options.mpp or checkpoint.mpp
        raise ArgumentError(
            f"the slide's µm per pixel are unknown, so it cannot be segmented at {wanted:g}",
            view.slide.path,
            "Type the slide's µm per pixel, or choose level 0.",
        )
    return options, []


def _notes(checkpoint: Path | str | None) -> list[str]:
    return [announce_default()] if checkpoint is None else []


def _at(mpp: float | None) -> str:
    return "of unknown size" if mpp is None else f"at {mpp:.4g} µm/px"


def _count(tiles: object) -> str:
    return "1 tile" if tiles == 1 else f"{tiles} tiles"
