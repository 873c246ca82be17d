"""Orders: what a worker needs of a run, small, picklable, and checked where it arrives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from wsiseg.errors import ArgumentError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.remote.addresses import is_remote
from wsiseg.remote.remote_path import RemotePath, as_place
from wsiseg.segmentation.job import Job
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import Plan
from wsiseg.segmentation.slide_jobs import SlideJob
from wsiseg.store.outputs import OutputFiles
from wsiseg.tiling.boxes import Box


@dataclass(frozen=True)
class CheckpointReference:
    """How a worker finds a checkpoint, and tells that it is the one that is meant.

    Attributes
    ----------
    source : str
        A bundled name, an address, or an absolute path.
    sha256 : str
        Of its file.
    """

    source: str
    sha256: str


@dataclass(frozen=True)
class SlideReference:
    """How a worker finds a slide, and tells that it is the one that is meant.

    Attributes
    ----------
    place : str
        An absolute path, or an address with what is secret in it.
    reader : str
        Name of the reader.
    slide_mpp : float or None
        The slide's own µm per pixel, where the user gave it.
    override_mpp : bool
        Whether that counts where the file states another value.
    fingerprint : str
        Digests of its content, as JSON; empty where nobody has opened it yet.
    """

    place: str = field(repr=False)
    reader: str | None
    slide_mpp: float | None
    override_mpp: bool
    fingerprint: str


@dataclass(frozen=True)
class RuntimeWish:
    """What is to run a network, on whichever machine.

    Attributes
    ----------
    runtime, device, precision : str
        As in the options; ``auto`` is chosen by the worker.
    threads : int or None
        CPU threads; all that the worker has if None.
    """

    runtime: str
    device: str
    precision: str
    threads: int | None

    @classmethod
    def of(cls, options: SegmentOptions) -> Self:
        """Return what a user asks for."""
        # What is fast is chosen per slide.
        precision = "fp32" if options.precision == "fast" else options.precision
        return cls(options.runtime, options.device, precision, options.threads)


@dataclass(frozen=True)
class BandsOrder:
    """Fill a run of whole bands.

    Attributes
    ----------
    key : str
        Name of this attempt.
    mailbox : str
        Where its messages go.
    version : str
        Of this package at the driver's.
    slide : SlideReference
        The slide.
    checkpoint : CheckpointReference
        The checkpoint.
    wish : RuntimeWish
        What runs the network, as the plan was made for it.
    options : SegmentOptions
        The user's settings.
    plan : Plan
        Of the slide, but for its tissue, which is large and has been used.
    files : OutputFiles
        Where the mask is.
    box : Box
        The part of the plane to fill.
    holder : dict
        What the lock file of the output says while the driver holds it.
    """

    key: str
    mailbox: str
    version: str
    slide: SlideReference
    checkpoint: CheckpointReference
    wish: RuntimeWish
    options: SegmentOptions
    plan: Plan
    files: OutputFiles
    box: Box
    holder: dict[str, object]


@dataclass(frozen=True)
class SlideOrder:
    """Segment a slide.

    Attributes
    ----------
    key : str
        Name of this attempt.
    mailbox : str
        Where its messages go.
    version : str
        Of this package at the driver's.
    checkpoint : CheckpointReference
        The checkpoint.
    job : SlideJob
        What to do, with paths from the root.
    cores : int
        CPU threads that one process at the driver's would plan with, so that the plan is the same.
    """

    key: str
    mailbox: str
    version: str
    checkpoint: CheckpointReference
    job: SlideJob
    cores: int


def refer_to_checkpoint(checkpoint: Checkpoint) -> CheckpointReference:
    """Return how workers find a checkpoint.

    Raises
    ------
    ArgumentError
        If it is in this process only.
    """
    if checkpoint.path is None:
        raise ArgumentError(
            "the checkpoint is not a file, so workers cannot load it",
            checkpoint.name,
            "Save it with save(), and give the file.",
        )
    source = checkpoint.source or str(checkpoint.path.absolute())
    return CheckpointReference(source, checkpoint.sha256)


def refer_to_slide(job: Job) -> SlideReference:
    """Return how workers find the slide of a job."""
    return SlideReference(
        absolute_place(job.slide.path),
        job.slide.reader,
        job.options.slide_mpp,
        job.options.override_mpp,
        as_text(job.slide.fingerprint()),
    )


def absolute_place(path: Path) -> str:
    """Return an address as it is, with what is secret in it, or a path from the root."""
    place = as_place(path)
    return place.url if isinstance(place, RemotePath) else str(place.absolute())


def as_text(fingerprint: Mapping[str, object]) -> str:
    """Return a fingerprint as text that can be compared."""
    return json.dumps(fingerprint, sort_keys=True)


def from_the_root(job: SlideJob) -> SlideJob:
    """Return a job whose paths mean the same in any folder."""
    options = job.options
    changes: dict[str, object] = {
        name: _from_the_root(value)
        for name, value in (("roi", options.roi), ("stain_reference", options.stain_reference))
        if value is not None
    }
    if options.tissue not in ("auto", "none"):
        changes["tissue"] = str(_from_the_root(Path(options.tissue)))
    slide, folder = _from_the_root(job.slide), _from_the_root(job.folder)
    return replace(job, slide=slide, folder=folder, options=options.replace(**changes))


def _from_the_root(path: Path) -> Path:
    return path if is_remote(path) else path.absolute()
