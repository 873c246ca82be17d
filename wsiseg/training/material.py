"""What a training learns from: samples, the resolution to look at them, what is where."""

from __future__ import annotations

from dataclasses import dataclass

from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.training.datasets.dataset import DataSet
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
        What is learnt from, and what is kept back to score it; the second may be empty.
    view : View
        At which resolution.
    mpp : float or None
        The working resolution in µm per pixel, where it is known.
    survey : Survey
        What is where in what is learnt from.
    warnings : tuple of str
        What was left out, repaired or assumed.
    """

    training: DataSet
    kept: DataSet
    view: View
    mpp: float | None
    survey: Survey
    warnings: tuple[str, ...] = ()

    @property
    def scored(self) -> DataSet:
        """What the network is scored on: what is kept back, or else what it learns from."""
        return self.kept if self.kept.samples else self.training

    @property
    def learnt_names(self) -> list[str]:
        """Names of the samples that are learnt from."""
        return [sample.name for sample in self.training.samples]

    @property
    def kept_names(self) -> list[str]:
        """Names of the samples that are kept back."""
        return [sample.name for sample in self.kept.samples]


def gather(
    options: TrainOptions,
    training: DataSet,
    kept: DataSet,
    init: Checkpoint | None,
    listener: TrainingListener,
) -> Material:
    """Look at all labels, and at pictures too.

    Parameters
    ----------
    options : TrainOptions
        What the user asked for.
    training, kept : DataSet
        What to learn from, and what is kept back; if that is nothing, the first is scored.
    init : Checkpoint, optional
        At whose resolution slides, and at whose scale pictures, are looked at if no other is asked
        for.
    listener : TrainingListener
        Hears how it goes.

    Raises
    ------
    DataSetError, AnnotationError, SlideError
        The first thing that is wrong with any sample.
    ArgumentError
        If slides are to be looked at, and no resolution is known.
    """
    if len(training.classes) < 2:
        raise DataSetError(
            f"there is one class only, {training.classes[0].name}",
            "`class_map`",
            "Say what the rest is, with unannotated=background for instance.",
        )
    view = _choose_view(options, init, training)
    listener.began("looking at the labels" if training.sparse else "looking at pictures and labels")
    found = survey(training, view, listener.advanced)
    warnings = _notes(training, found)
    mpp = _common_mpp(training, found)
    if kept.samples:
        warnings += _notes(kept, survey(kept, view, listener.advanced))
        missing = [c.name for c, p in zip(training.classes, found.pixels, strict=True) if not p]
        if missing:
            warnings.append(f"no sample to learn from shows {', '.join(missing)}")
    else:
        warnings.append(
            "nothing is kept back: the scores are those on what the network has learnt from"
        )
    for warning in warnings:
        listener.warned(warning)
    return Material(training, kept, view, mpp, found, tuple(warnings))


def _notes(dataset: DataSet, found: Survey) -> list[str]:
    return [
        f"{sample.name}: {note}"
        for sample, seen in zip(dataset.samples, found.samples, strict=True)
        for note in seen.notes
    ]


def _common_mpp(dataset: DataSet, found: Survey) -> float | None:
    """Return the µm per working pixel of all samples, None if they state none."""
    stated = [sample.mpp for sample in found.samples if sample.mpp is not None]
    if not stated:
        return None
    if len(stated) < len(found.samples) or max(stated) > min(stated) * _SAME_MPP:
        which = [
            s.name
            for s, seen in zip(dataset.samples, found.samples, strict=True)
            if seen.mpp is None
        ]
        what = (
            f"{which[0]} does not state its µm per pixel, others do"
            if which
            else f"the samples have {min(stated):g} to {max(stated):g} µm per working pixel"
        )
        raise DataSetError(
            what, None, "Work all of them at one resolution, with `mpp`, or `slide_mpp` besides."
        )
    return stated[0]


_SAME_MPP = 1.02


def _choose_view(options: TrainOptions, init: Checkpoint | None, dataset: DataSet) -> View:
    """Return the resolution to work at: the user's, or else that of the checkpoint."""
    mpp, scale = options.mpp, options.scale
    if mpp is None and scale is None:
        if dataset.sparse:
            mpp = None if init is None else init.mpp
            if mpp is None:
                raise ArgumentError(
                    "slides need a resolution to be worked at", "`mpp`", "0.5 µm per pixel, say."
                )
        elif init is not None and init.mpp is None:
            scale = init.scale
    return View(mpp=mpp, slide_mpp=options.slide_mpp, scale=scale)
