"""The resolution at which a checkpoint is scored: that of its training, or else none is guessed."""

from __future__ import annotations

from pathlib import Path

from wsiseg.errors import ArgumentError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.segmentation.suitability import check_resolution
from wsiseg.tiling.resolution import plane_at_level
from wsiseg.training.datasets.dataset import DataSet
from wsiseg.training.datasets.open_samples import OpenSample
from wsiseg.training.datasets.working_resolution import WorkingResolution
from wsiseg.training.listener import TrainingListener
from wsiseg.training.options import EvaluateOptions


def choose_scored_resolution(
    checkpoint: Checkpoint,
    dataset: DataSet,
    options: EvaluateOptions,
    listener: TrainingListener,
) -> WorkingResolution:
    """Return the resolution to score at.

    Parameters
    ----------
    checkpoint : Checkpoint
        Its µm per pixel, or its scale, is the default.
    dataset : DataSet
        What it is scored on.
    options : EvaluateOptions
        `mpp`, `slide_mpp`, `override_mpp` and `scale` count.
    listener : TrainingListener
        Hears what is assumed.

    Raises
    ------
    ArgumentError
        If the checkpoint was trained at a resolution, the pictures state none, and neither the
        options nor the record of the training say what they have.
    """
    mpp, slide_mpp, scale = options.mpp, options.slide_mpp, options.scale
    if mpp is None and scale is None:
        if checkpoint.mpp is None:
            scale = checkpoint.scale
            if scale is not None:
                listener.noted(
                    f"working at {scale:g} of the size, as the checkpoint was trained; "
                    "`scale=1` takes everything as it is"
                )
        else:
            mpp = checkpoint.mpp
    if mpp is not None and slide_mpp is None and not dataset.sparse:
        slide_mpp = _recall_slide_mpp(checkpoint, dataset, mpp, listener)
    return WorkingResolution(
        mpp=mpp, slide_mpp=slide_mpp, override_mpp=options.override_mpp, scale=scale
    )


def check_scored_resolution(
    opened: OpenSample,
    checkpoint: Checkpoint,
    options: EvaluateOptions,
    listener: TrainingListener,
    said: set[str],
) -> None:
    """Refuse a resolution far from the checkpoint's, or warn of it.

    Parameters
    ----------
    opened : OpenSample
        What is scored.
    checkpoint : Checkpoint
        Its mpp is compared.
    options : EvaluateOptions
        `force` counts.
    listener : TrainingListener
        Receives the warning.
    said : set of str
        Warnings of the samples before, which are not repeated; grows.

    Raises
    ------
    FarResolutionError
        If it is far off, unless `force` is set.
    """
    for doubt in check_resolution(opened.slide, opened.plane, checkpoint, force=options.force):
        if doubt not in said:
            listener.warned(f"{opened.sample.name}: {doubt}")
        said.add(doubt)


def _recall_slide_mpp(
    checkpoint: Checkpoint, dataset: DataSet, mpp: float, listener: TrainingListener
) -> float | None:
    """Return what pictures had in the training, if they state nothing themselves."""
    silent = _first_without_mpp(dataset)
    if silent is None:
        return None
    recorded = checkpoint.card.training.get("slide_mpp")
    if not isinstance(recorded, int | float):
        raise ArgumentError(
            f"the picture does not state its µm per pixel, and is to be scored at {mpp:g}",
            silent,
            "Say what the pictures have with `slide_mpp`, or take them as they are with `scale=1`.",
        )
    listener.warned(
        f"the pictures do not state their µm per pixel: {recorded:g} are taken, as the "
        "checkpoint's training had them; `slide_mpp` says otherwise"
    )
    return float(recorded)


def _first_without_mpp(dataset: DataSet) -> Path | None:
    stored = WorkingResolution()
    for sample in dataset.samples:
        with stored.open_slide(sample) as slide:
            if plane_at_level(slide, 0).mpp is None:
                return sample.image
    return None
