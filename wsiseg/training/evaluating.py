"""The evaluation job: a checkpoint scored over all annotated pixels of pictures and slides."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Unpack

import numpy as np

from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.annotations.pictures import read_values
from wsiseg.checkpoints import take_checkpoint
from wsiseg.classes import Colour
from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.runtimes import Predictor, choose_runtime
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import make_plan
from wsiseg.segmentation.streaming import TileStream
from wsiseg.settings import keywords_from
from wsiseg.store.disk import translate_write_errors, write_atomically, write_json
from wsiseg.text import plural
from wsiseg.tiling.bands import NO_LABEL, Band
from wsiseg.tiling.boxes import Box
from wsiseg.training.class_matching import ClassMatching, match_classes
from wsiseg.training.datasets.dataset import DataSet, Sample
from wsiseg.training.datasets.open_samples import OpenSample
from wsiseg.training.datasets.opening import open_data
from wsiseg.training.keywords import EvaluateKeywords
from wsiseg.training.listener import TrainingListener
from wsiseg.training.metrics import (
    BoundaryScore,
    ConfusionMatrix,
    ObjectScore,
    UnitCounts,
    describe_picture,
    describe_scores,
    label_objects,
    pictures_to_csv,
    plot_confusion,
    scores_to_csv,
)
from wsiseg.training.options import DataOptions, EvaluateOptions
from wsiseg.training.scored_resolution import choose_scored_resolution
from wsiseg.training.worst_pictures import WorstPictures

_WHOLE = 16_000_000
"""Pixels of the largest picture whose borders and objects are scored."""


@keywords_from(EvaluateOptions)
def evaluate(
    data: DataOptions | DataSet,
    checkpoint: Checkpoint | Path | str,
    output: Path | str | None = None,
    *,
    listener: TrainingListener | None = None,
    **options: Unpack[EvaluateKeywords],
) -> dict[str, Any]:
    """Score a checkpoint on pictures or slides with labels.

    Parameters
    ----------
    data : DataOptions or DataSet
        The labelled data to score it on.
    checkpoint : Checkpoint or path-like
        What to score, as :func:`wsiseg.load_checkpoint` takes it.
    output : path-like, optional
        Folder for ``scores.json``, ``scores.csv``, ``pictures.csv`` and ``confusion.png``, and for
        overlays of the `worst` pictures.
    listener : TrainingListener, optional
        Receives progress, notes and warnings.
    **options
        Fields of :class:`wsiseg.training.options.EvaluateOptions`.

    Returns
    -------
    dict
        See :func:`score`.

    Raises
    ------
    WsisegError
        As :func:`score`, or if the output cannot be written.

    Examples
    --------
    >>> data = DataOptions(
    ...     images="fields/images", labels="fields/labels", class_map="0=tissue,1=nucleus"
    ... )
    >>> scores = evaluate(data, "nuclei", slide_mpp=0.5)
    >>> scores["images"], scores["pixels"], list(scores["class_iou"])
    (2, 2048, ['tissue', 'nucleus'])
    """
    settings = EvaluateOptions(**options)
    loaded = take_checkpoint(checkpoint, began=(listener or TrainingListener()).began)
    dataset = (
        data
        if isinstance(data, DataSet)
        else open_data(data, validation=True, classes=loaded.classes)
    )
    worst = None if output is None else WorstPictures(settings.worst)
    scores = score(loaded, dataset, settings, listener, worst=worst)
    if output is not None:
        write_scores(scores, Path(output))
    if output is not None and worst is not None:
        worst.write(Path(output), tuple(scores["class_iou"]), colours_of(dataset, loaded))
    return scores


def colours_of(dataset: DataSet, checkpoint: Checkpoint) -> dict[str, Colour]:
    """Return the colours of classes by name.

    Parameters
    ----------
    dataset : DataSet
        Its colours count where both know a class.
    checkpoint : Checkpoint
        What is scored.
    """
    return {entry.name: entry.colour for entry in (*checkpoint.classes, *dataset.classes)}


def score(
    checkpoint: Checkpoint,
    dataset: DataSet,
    options: EvaluateOptions | None = None,
    listener: TrainingListener | None = None,
    *,
    units: UnitCounts | None = None,
    worst: WorstPictures | None = None,
) -> dict[str, Any]:
    """Score a checkpoint; see :func:`wsiseg.training.metrics.describe_scores`.

    Every sample goes the way of a segmentation, tile by tile, and what leaves the stitcher is
    compared with the labels band by band, so that whole slides need no more memory than that.

    Parameters
    ----------
    checkpoint : Checkpoint
        What to score.
    dataset : DataSet
        On what.
    options : EvaluateOptions, optional
        How.
    listener : TrainingListener, optional
        Receives progress, notes and warnings.
    units : UnitCounts, optional
        Receives what is counted, by pictures and parts of slides.
    worst : WorstPictures, optional
        Keeps the pictures with the lowest scores.

    Returns
    -------
    dict
        ``images``, ``pixels``, ``miou``, ``pixel_accuracy``, ``mean_dice``, ``class_iou``,
        ``confusion`` and more.  ``pictures`` holds the scores of every picture or slide, see
        :func:`wsiseg.training.metrics.describe_picture`.  ``scored_as`` lists the classes of the
        checkpoint for which a name of the labels stands that the checkpoint does not know; see
        :func:`wsiseg.training.class_matching.match_classes`.

    Raises
    ------
    DataSetError, AnnotationError, SlideError
        If samples and labels do not fit, or the checkpoint does not know their classes.
    ArgumentError
        If the resolution of pictures is not known; see
        :func:`wsiseg.training.scored_resolution.choose_scored_resolution`.
    """
    options = options or EvaluateOptions()
    listener = listener or TrainingListener()
    for note in checkpoint.notes:
        listener.warned(note)
    matching = match_classes(checkpoint.classes, dataset)
    scores = _Scores(matching, dataset, options, units, worst)
    predictor = _make_predictor(checkpoint, dataset, options.segment)
    resolution = choose_scored_resolution(checkpoint, dataset, options, listener)
    listener.began(f"scoring {plural(len(dataset.samples), 'sample')} of {dataset.name}")
    for name, others in matching.rest.items():
        listener.noted(f"{name} is scored as {' or '.join(others)}")
    if dataset.note is not None:
        listener.noted(dataset.note)
    for number, sample in enumerate(dataset.samples):
        with OpenSample(sample, resolution) as opened:
            for note in (*opened.notes, *opened.doubts):
                listener.warned(f"{sample.name}: {note}")
            _score_sample(opened, predictor, options.segment, scores)
        listener.advanced(number + 1, len(dataset.samples))
    scores.tell_extra(listener)
    if scores.too_large:
        large = plural(scores.too_large, "large slide")
        listener.warned(f"borders and objects of {large} are not scored")
    if scores.without_numbers:
        listener.warned(
            f"the network gave NaN or infinity for {scores.without_numbers} pixels; they count as "
            "wrong"
        )
    return {
        "images": len(dataset.samples),
        "data": dataset.name,
        "scored_as": {name: list(others) for name, others in matching.rest.items()},
        "pictures": scores.pictures,
        "settings": {
            "checkpoint": checkpoint.sha256,
            "mpp": resolution.mpp,
            "slide_mpp": resolution.slide_mpp,
            "scale": resolution.scale,
            "blend": options.segment.blend,
            "tta": options.segment.tta,
            "runtime": predictor.choice.runtime,
        },
        **describe_scores(
            scores.confusion,
            matching.names,
            matching.categories,
            scores.boundary if options.boundary and scores.whole else None,
            scores.objects,
        ),
    }


def write_scores(scores: dict[str, Any], folder: Path) -> None:
    """Write ``scores.json``, ``scores.csv``, ``pictures.csv`` and ``confusion.png``.

    Parameters
    ----------
    scores : dict
        As :func:`score` returns them.
    folder : Path
        Is made if it is missing; existing files are overwritten.

    Raises
    ------
    OutputError
        If they cannot be written.
    RuntimeUnavailableError
        If matplotlib is not installed.
    """
    with translate_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "scores.json", scores)
    write_atomically(folder / "scores.csv", scores_to_csv(scores))
    write_atomically(folder / "pictures.csv", pictures_to_csv(scores["pictures"]))
    names = list(scores["class_iou"])
    matrix = ConfusionMatrix(len(names))
    matrix.counts[...] = scores["confusion"]
    plot_confusion(matrix, names, folder / "confusion.png")


class _Scores:
    """What is counted over all samples."""

    def __init__(
        self,
        matching: ClassMatching,
        dataset: DataSet,
        options: EvaluateOptions,
        units: UnitCounts | None,
        worst: WorstPictures | None,
    ) -> None:
        self.matching = matching
        self._worst = worst
        self.pictures: list[dict[str, Any]] = []
        self._units = units
        self._sparse = dataset.sparse
        classes = len(matching.names)
        self.confusion = ConfusionMatrix(classes)
        self._current = ConfusionMatrix(classes)
        self.boundary = BoundaryScore(classes, options.tolerance)
        numbered = any(sample.instances is not None for sample in dataset.samples)
        self.objects = ObjectScore() if numbered else None
        self.foreground = _find_foreground(matching.names, options.objects) if numbered else 0
        self.smallest = options.smallest
        self.whole = self.too_large = self.without_numbers = 0
        self._borders = options.boundary

    def wants_whole(self, opened: OpenSample) -> bool:
        """Tell whether a sample's labels are to be kept until it is done."""
        fits = opened.plane.height * opened.plane.width <= _WHOLE
        if self._borders or self.objects:
            self.too_large += not fits
            return fits
        return fits and self._worst is not None

    def add_band(self, band: Band, opened: OpenSample) -> tuple[Labels, Labels]:
        """Count a band, and return what was true and what was predicted there."""
        truth = self.matching.truth[opened.labels(band.box)]
        predicted = self.matching.predicted[band.labels]
        predicted[band.labels == NO_LABEL] = NO_LABEL
        self._current.add(truth, predicted)
        if self._units is not None:
            scale = opened.plane.slide_scale if self._sparse else None
            self._units.add(opened.sample.name, band.box, scale, truth, predicted)
        return truth, predicted

    def tell_extra(self, listener: TrainingListener) -> None:
        """Tell how much is predicted as classes that the labels do not have."""
        none_of_them = int(self.confusion.counts[:, -1].sum())
        if self.matching.extra and none_of_them:
            share = 100 * none_of_them / self.confusion.pixels
            besides = ", ".join(self.matching.extra)
            listener.noted(
                f"{share:.3g} % of the pixels are predicted as none of the labels' classes, and "
                f"count as wrong; the checkpoint knows {besides} besides"
            )

    def finish(self, opened: OpenSample) -> float:
        """Add what was counted of one sample to the others; return its mean IoU."""
        name, done = opened.sample.name, self._current
        self.confusion.merge(done)
        self.pictures.append(describe_picture(name, done, self.matching.names))
        self._current = ConfusionMatrix(done.classes)
        return done.mean_iou

    def add_whole(self, opened: OpenSample, truth: Labels, predicted: Labels, miou: float) -> None:
        """Score the borders and objects of one sample, and keep it if it is among the worst."""
        if self._worst is not None and self._worst.wants(miou):
            pixels = opened.pixels(opened.plane.box)
            self._worst.add(opened.sample.name, miou, pixels, truth, predicted)
        self.whole += 1
        if self._borders:
            self.boundary.add(truth, predicted)
        if self.objects is not None and opened.sample.instances is not None:
            found = label_objects(predicted == self.foreground, self.smallest)
            known = _read_instances(opened)
            scored = truth != IGNORED
            self.objects.add(np.where(scored, known, 0), np.where(scored, found, 0))


def _score_sample(
    opened: OpenSample, predictor: Predictor, options: SegmentOptions, scores: _Scores
) -> None:
    slide, plane = opened.slide, opened.plane
    plan = make_plan(slide, predictor, options, plane)
    # Where tiles are blended, one that is not annotated itself may still reach what is.
    reach = 0 if options.blend == "crop" else max(map(max, plan.cover.shapes), default=0)
    plan = plan.only(lambda tile: _is_annotated(opened, tile.core.grown(reach)))
    stream = TileStream(slide, predictor, plan, options)
    keep = scores.wants_whole(opened)
    truth = np.full(plane.box.shape if keep else (0, 0), IGNORED, np.uint8)
    predicted = truth.copy()
    for window in plan.windows:
        for step in stream.steps(window):
            if step.read is not None and step.read.error is not None:
                raise step.read.error
            scores.without_numbers += 0 if step.row is None else step.row.without_numbers
            for band in step.bands:
                found = scores.add_band(band, opened)
                if keep:
                    place = band.box.slices_in(plane.box)
                    truth[place], predicted[place] = found
    miou = scores.finish(opened)
    if keep:
        scores.add_whole(opened, truth, predicted, miou)


def _is_annotated(opened: OpenSample, box: Box) -> bool:
    """Tell whether any pixel of a box has a label that counts; the rest need not be looked at."""
    return bool((opened.labels(box) != IGNORED).any())


def _read_instances(opened: OpenSample) -> np.ndarray[Any, Any]:
    """Return the objects' numbers at the working resolution."""
    sample: Sample = opened.sample
    assert sample.instances is not None
    values = read_values(sample.instances)
    full = opened.slide.levels[0]
    if values.shape != (full.height, full.width):
        raise DataSetError(
            f"the objects have {values.shape[1]}×{values.shape[0]} pixels, {sample.image.name} "
            f"has {full.width}×{full.height}",
            sample.instances,
        )
    scale, plane = opened.plane.slide_scale, opened.plane
    rows = np.minimum(((np.arange(plane.height) + 0.5) * scale).astype(int), values.shape[0] - 1)
    columns = np.minimum(((np.arange(plane.width) + 0.5) * scale).astype(int), values.shape[1] - 1)
    return values[np.ix_(rows, columns)].astype(np.int32)


def _make_predictor(checkpoint: Checkpoint, dataset: DataSet, options: SegmentOptions) -> Predictor:
    runtime = options.runtime
    if runtime == "auto" and not dataset.sparse and options.precision != "int8":
        # Pictures come in many sizes, and compiling for each takes longer than running it.
        runtime = "torch"
    return Predictor(
        checkpoint, choose_runtime(runtime, options.device, options.precision, options.threads)
    )


def _find_foreground(names: tuple[str, ...], wanted: str | None) -> int:
    if wanted is None and len(names) == 2:
        return 1
    if wanted not in names:
        raise ArgumentError(
            "which class the numbered objects are of is not said"
            if wanted is None
            else f"there is no class {wanted!r}",
            "`objects`",
            f"Use one of: {', '.join(names)}.",
        )
    return names.index(wanted)
