"""The evaluation job: a checkpoint scored over all annotated pixels of pictures and slides."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Unpack

import numpy as np

from wsiseg.annotations.labels import IGNORED
from wsiseg.checkpoints import take_checkpoint
from wsiseg.classes import Colour
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.runtimes import Predictor, choose_runtime
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import make_plan
from wsiseg.segmentation.streaming import TileStream
from wsiseg.settings import keywords_from
from wsiseg.store.disk import translate_write_errors, write_atomically, write_json
from wsiseg.text import plural
from wsiseg.tiling.boxes import Box
from wsiseg.training.class_matching import match_classes
from wsiseg.training.data_options import DataOptions
from wsiseg.training.datasets.dataset import DataSet
from wsiseg.training.datasets.open_samples import OpenSample
from wsiseg.training.datasets.opening import open_data
from wsiseg.training.keywords import EvaluateKeywords
from wsiseg.training.listener import TrainingListener
from wsiseg.training.metrics import (
    ConfusionMatrix,
    UnitCounts,
    describe_scores,
    pictures_to_csv,
    plot_confusion,
    scores_to_csv,
)
from wsiseg.training.options import EvaluateOptions
from wsiseg.training.sample_scores import WHOLE, SampleScores
from wsiseg.training.scored_resolution import check_scored_resolution, choose_scored_resolution
from wsiseg.training.worst_pictures import WorstPictures, write_worst


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
        colours = colours_of(dataset, loaded)
        write_worst({"": worst}, Path(output), tuple(scores["class_iou"]), colours)
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
    FarResolutionError
        If it is far from the checkpoint's, unless `force` is set.
    """
    options = options or EvaluateOptions()
    listener = listener or TrainingListener()
    for note in checkpoint.notes:
        listener.warned(note)
    matching = match_classes(checkpoint.classes, dataset)
    scores = SampleScores(matching, dataset, options, units, worst)
    predictor = _make_predictor(checkpoint, dataset, options.segment)
    resolution = choose_scored_resolution(checkpoint, dataset, options, listener)
    listener.began(f"scoring {plural(len(dataset.samples), 'sample')} of {dataset.name}")
    for name, others in matching.rest.items():
        listener.noted(f"{name} is scored as {' or '.join(others)}")
    if dataset.note is not None:
        listener.noted(dataset.note)
    far: set[str] = set()
    for number, sample in enumerate(dataset.samples):
        with OpenSample(sample, resolution) as opened:
            check_scored_resolution(opened, checkpoint, options, listener, far)
            doubts = opened.doubts if dataset.sparse else ()
            for note in (*opened.notes, *doubts):
                listener.warned(f"{sample.name}: {note}")
            _score_sample(opened, predictor, options.segment, scores)
        listener.advanced(number + 1, len(dataset.samples))
    scores.tell_extra(listener)
    if scores.too_large:
        large = plural(scores.too_large, "large slide")
        listener.warned(f"borders and objects of {large} are not scored")
    if undrawn := scores.undrawn:
        thing = "slide" if dataset.sparse else "picture"
        listener.warned(
            f"{plural(len(undrawn), thing)} of more than {WHOLE // 10**6} megapixels would be "
            f"among the worst, and have no overlay: {', '.join(undrawn)}"
        )
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


def _score_sample(
    opened: OpenSample, predictor: Predictor, options: SegmentOptions, scores: SampleScores
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


def _make_predictor(checkpoint: Checkpoint, dataset: DataSet, options: SegmentOptions) -> Predictor:
    runtime = options.runtime
    if runtime == "auto" and not dataset.sparse and options.precision != "int8":
        # Pictures come in many sizes, and compiling for each takes longer than running it.
        runtime = "torch"
    return Predictor(
        checkpoint, choose_runtime(runtime, options.device, options.precision, options.threads)
    )
