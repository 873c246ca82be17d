"""What a training learns from: samples, the resolution to look at them, what is where."""

from __future__ import annotations

from dataclasses import dataclass

from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.models.checkpoint import load_checkpoint
from wsiseg.tiling.slides import open_slide
from wsiseg.training.datasets.dataset import DataSet
from wsiseg.training.datasets.opening import split_data
from wsiseg.training.datasets.viewing import View
from wsiseg.training.listener import TrainingListener
from wsiseg.training.options import TrainOptions
from wsiseg.training.survey import Survey, survey


@dataclass(frozen=True)
class Material:
    """What all stages of a training learn from.

    Attributes
    ----------
    training, kept : DataSet
        What is learnt from, and what is kept back to score it.
    view : View
        At which resolution.
    mpp : float or None
        The working resolution in µm per pixel, where it is known.
    survey : Survey
        What is where in what is learnt from.
    """

    training: DataSet
    kept: DataSet
    view: View
    mpp: float | None
    survey: Survey


def gather(options: TrainOptions, listener: TrainingListener) -> Material:
    """Open the data and look at all labels.

    Raises
    ------
    DataSetError, AnnotationError, SlideError
        The first thing that is wrong with any sample.
    ArgumentError
        If slides are to be looked at, and no resolution is known.
    """
    training, kept = split_data(options)
    if len(training.classes) < 2:
        raise DataSetError(
            f"there is one class only, {training.classes[0].name}",
            "--class-map",
            "Say what the rest is, with unannotated=background for instance.",
        )
    if not kept.samples:
        listener.warned(
            "nothing is kept back: the scores are those on what the network has learnt from"
        )
        kept = training
    view = _choose_view(options, training)
    with open_slide(training.samples[0].image) as slide:
        mpp = view.plane(slide).mpp
    listener.began("looking at the labels")
    found = _survey(training, view, listener)
    if kept is not training:
        _survey(kept, view, listener)
        missing = [c.name for c, p in zip(training.classes, found.pixels, strict=True) if not p]
        if missing:
            listener.warned(f"no sample to learn from shows {', '.join(missing)}")
    return Material(training, kept, view, mpp, found)


def _survey(dataset: DataSet, view: View, listener: TrainingListener) -> Survey:
    found = survey(dataset, view, listener.advanced)
    for sample, seen in zip(dataset.samples, found.samples, strict=True):
        for note in seen.notes:
            listener.warned(f"{sample.name}: {note}")
    return found


def _choose_view(options: TrainOptions, dataset: DataSet) -> View:
    """Return the resolution to work at: the user's, or for slides the checkpoint's."""
    mpp = options.mpp
    if mpp is None and options.scale is None and dataset.sparse:
        if options.init is not None:
            mpp = load_checkpoint(options.init).mpp
        if mpp is None:
            raise ArgumentError(
                "slides need a resolution to be worked at", "--mpp", "0.5 µm per pixel, say."
            )
    return View(mpp=mpp, slide_mpp=options.slide_mpp, scale=options.scale)
