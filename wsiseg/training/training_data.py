"""The data of a training: training and validation samples, their resolution, their statistics."""

from __future__ import annotations

from dataclasses import dataclass

from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.training.datasets.dataset import DataSet
from wsiseg.training.datasets.working_resolution import WorkingResolution
from wsiseg.training.listener import TrainingListener
from wsiseg.training.options import TrainOptions
from wsiseg.training.splitting import split_slide
from wsiseg.training.survey import Survey, survey

_NO_VALIDATION = "there is no validation data: the scores are those on the training data"


@dataclass(frozen=True)
class TrainingData:
    """The data that all stages of a training share.

    Attributes
    ----------
    training, validation : DataSet
        The samples to train on, and those to validate on; the second may be empty.
    resolution : WorkingResolution
        The resolution at which they are read.
    mpp : float or None
        The working resolution in µm per pixel, where it is known.
    survey : Survey
        Sizes, pixels per class and places of classes of the training samples.
    warnings : tuple of str
        What was left out, repaired or assumed.
    """

    training: DataSet
    validation: DataSet
    resolution: WorkingResolution
    mpp: float | None
    survey: Survey
    warnings: tuple[str, ...] = ()

    @property
    def scored(self) -> DataSet:
        """The data that the network is scored on: validation data, or else training data."""
        return self.validation if self.validation.samples else self.training

    @property
    def training_names(self) -> list[str]:
        """Names of the training samples."""
        return [sample.name for sample in self.training.samples]

    @property
    def validation_names(self) -> list[str]:
        """Names of the validation samples."""
        return [sample.name for sample in self.validation.samples]


def prepare_training_data(
    options: TrainOptions,
    training: DataSet,
    validation: DataSet,
    init: Checkpoint | None,
    listener: TrainingListener,
) -> TrainingData:
    """Check all samples, and count the labels of the training data.

    Parameters
    ----------
    options : TrainOptions
        What the user asked for.
    training, validation : DataSet
        The data to train on, and to validate on.  If the second is empty, the first is scored; of
        one slide alone a part of its annotated area is for validation, where that can be done.
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
            f"there is only one class, {training.classes[0].name}",
            "`class_map`",
            "Say what the rest is, with unannotated=background for instance.",
        )
    resolution = _choose_resolution(options, init, training)
    listener.began("checking labels" if training.sparse else "checking pictures and labels")
    alone, split = _is_one_slide(training, validation, options), None
    if alone:
        split = split_slide(training, resolution, options.val_fraction, options.seed)
    if split is not None:
        training, validation, how = split
    found = survey(training, resolution, listener.advanced)
    warnings = [*(() if init is None else init.notes), *_notes(training, found)]
    mpp = _common_mpp(training, found)
    warnings += _as_they_are(resolution, init, training, mpp)
    if split is not None:
        warnings.append(how)
    if validation.samples:
        warnings += _notes(validation, survey(validation, resolution, listener.advanced))
        missing = [c.name for c, p in zip(training.classes, found.pixels, strict=True) if not p]
        if missing:
            warnings.append(f"no training sample shows {', '.join(missing)}")
    else:
        small = ": too little is annotated on the only slide to keep some of it back"
        warnings.append(_NO_VALIDATION + (small if alone else ""))
    for warning in warnings:
        listener.warned(warning)
    return TrainingData(training, validation, resolution, mpp, found, tuple(warnings))


def _is_one_slide(training: DataSet, validation: DataSet, options: TrainOptions) -> bool:
    """Tell whether a part of the only slide is for validation, as there is no other slide."""
    one = len(training.samples) == 1 and not validation.samples and training.sparse
    return one and options.val_fraction > 0 and options.val_only is None


def _as_they_are(
    resolution: WorkingResolution, init: Checkpoint | None, dataset: DataSet, mpp: float | None
) -> list[str]:
    """Return a warning if pictures are taken as they are, unlike those of `init`."""
    chosen = resolution.mpp is not None or resolution.scale is not None
    if init is None or init.mpp is None or dataset.sparse or chosen:
        return []
    trained = f"the initial checkpoint was trained at {init.mpp:g} µm per pixel, the pictures"
    if mpp is None:
        rest = (
            "do not state theirs and are taken as they are: say what they have with `slide_mpp`, "
            "or confirm it with `scale=1`"
        )
    elif max(mpp / init.mpp, init.mpp / mpp) > _SAME_MPP:
        rest = (
            f"are taken as they are, at {mpp:g}: `mpp={init.mpp:g}` works at the checkpoint's, "
            "`scale=1` confirms it"
        )
    else:
        return []
    return [f"{trained} {rest}"]


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
            what, None, "Work on all of them at one resolution, with `mpp`, or `slide_mpp` besides."
        )
    return stated[0]


_SAME_MPP = 1.02


def _choose_resolution(
    options: TrainOptions, init: Checkpoint | None, dataset: DataSet
) -> WorkingResolution:
    """Return the resolution to work at: the user's, or else that of the checkpoint."""
    mpp, scale = options.mpp, options.scale
    if mpp is None and scale is None:
        stated = dataset.sparse or options.slide_mpp is not None
        if init is not None and init.mpp is None:
            scale = init.scale
        elif init is not None and stated:
            mpp = init.mpp
        if mpp is None and dataset.sparse:
            raise ArgumentError(
                "no resolution to work at is given",
                "`mpp`",
                "Give one, 0.5 µm per pixel for instance.",
            )
    return WorkingResolution(
        mpp=mpp, slide_mpp=options.slide_mpp, override_mpp=options.override_mpp, scale=scale
    )
