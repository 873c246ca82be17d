"""What a mask depends on, precisely enough to make it again."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, field_validator

from wsiseg.boundaries import boundary
from wsiseg.errors import OutputError
from wsiseg.segmentation.job import Job
from wsiseg.segmentation.ledger import Ledger
from wsiseg.store.disk import Json
from wsiseg.throughput.hardware import describe_hardware, peak_rss_mb
from wsiseg.throughput.summary import ADVICE, share_out
from wsiseg.tiling.slides import address
from wsiseg.tiling.tissue import TissueMask

_PACKAGES = ("wsiseg", "torch", "openvino", "numpy", "zarr", "tifffile", "imagecodecs", "pillow")


class _Class(BaseModel):
    name: str
    pixels: int
    mm2: float | None


class _Summary(BaseModel):
    mask: str
    seconds: float
    forward_seconds: float
    megapixels: float
    mpx_per_s: float
    tiles: int
    tiles_per_s: float
    unread_tiles: int
    peak_rss_mb: float
    runtime: str
    bottleneck: str
    classes: list[_Class]

    @field_validator("bottleneck")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in ADVICE:
            raise ValueError("no such stage")
        return value


class _Unseen(BaseModel):
    pixels: int
    mm2: float | None


class _Run(BaseModel):
    """What is read of a run file again."""

    summary: _Summary
    shares: dict[str, float]
    identity: dict[str, object]
    not_analysed: _Unseen
    stock: dict[str, dict[str, object]] = {}


def identify(job: Job) -> Json:
    """Return everything that the pixels of a mask depend on."""
    plan, options, choice = job.plan, job.options, job.predictor.choice
    mask = None
    if isinstance(plan.area, TissueMask):
        mask = hashlib.sha256(plan.area.mask.tobytes()).hexdigest()
    return {
        # Another reader tells a slide by other signs, so it is to be named first.
        "reader": job.slide.reader,
        "slide": job.slide.fingerprint(),
        "colours": [step.describe() for step in plan.colour_steps] or None,
        "checkpoint": job.predictor.checkpoint.sha256,
        "blend": options.blend,
        "probabilities": options.probabilities,
        "with_image": options.with_image,
        "runtime": choice.runtime,
        "precision": choice.precision,
        "device": choice.device,
        "roi": None if plan.regions is None else plan.regions.digest(),
        "plane": asdict(plan.plane),
        "tile": list(plan.grid.tile),
        "halo": plan.grid.halo,
        "tissue": mask,
        "windows": [asdict(window) for window in plan.windows],
    }


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that pixels pass through."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def describe_run(job: Job, ledger: Ledger, identity: Json) -> Json:
    """Return the content of ``NAME.run.json``: enough to run it again and to judge it.

    Parameters
    ----------
    job : Job
        What was done.
    ledger : Ledger
        How it went.
    identity : dict
        What :func:`identify` said of the job before.
    """
    slide, plan, predictor = job.slide, job.plan, job.predictor
    seconds = ledger.watch.total
    unseen = plan.plane.box.area - int(ledger.counts.sum())
    shares = share_out(ledger.rows, seconds, seconds - ledger.filled_at, ledger.setup_seconds)
    return {
        "summary": summarise(job, ledger, seconds, shares.bottleneck),
        "shares": asdict(shares),
        "setup_seconds": round(ledger.setup_seconds, 3),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": job.options.as_json(),
        "identity": identity,
        "slide": {
            "path": address(slide.path),
            "reader": slide.reader,
            "vendor": slide.facts.vendor,
            "mpp": slide.mpp,
            "mpp_source": slide.facts.mpp_source,
        },
        "checkpoint": {
            "path": None if predictor.checkpoint.path is None else str(predictor.checkpoint.path),
            **predictor.checkpoint.card.model_dump(mode="json"),
        },
        "plan": {
            "tiles_in_grid": len(plan.grid),
            "tiles": len(plan.tiles),
            "overlap_share": round(plan.grid.overlap_share, 4),
            "batch": plan.batch,
            "readers": plan.readers,
            "threads": predictor.choice.threads,
            "memory_bytes": asdict(plan.memory),
        },
        "not_analysed": {
            "pixels": unseen,
            "mm2": square_millimetres(unseen, plan.plane.mpp),
        },
        "versions": versions(),
        "hardware": describe_hardware(),
        "power_w": None,
        "warnings": ledger.warnings,
    }


def summarise(job: Job, ledger: Ledger, seconds: float, bottleneck: str) -> Json:
    """Return a slide's entry of ``wsiseg segment --json``."""
    choice, mpp = job.predictor.choice, job.plan.plane.mpp
    counts = zip(job.predictor.checkpoint.classes, ledger.counts.tolist(), strict=True)
    return {
        "slide": address(job.slide.path),
        "status": "ok",
        "mask": str(job.files.mask),
        "seconds": round(seconds, 3),
        "forward_seconds": round(sum(row.forward_ms for row in ledger.rows) / 1e3, 3),
        "megapixels": round(float(ledger.counts.sum()) / 1e6, 6),
        "mpx_per_s": round(ledger.written_pixels / 1e6 / seconds, 3),
        "tiles": len(ledger.all_rows),
        "tiles_per_s": round(len(ledger.rows) / seconds, 3),
        "unread_tiles": ledger.unread_tiles,
        "pixels_without_numbers": ledger.pixels_without_numbers,
        "peak_rss_mb": round(peak_rss_mb(), 1),
        "runtime": choice.runtime,
        "precision": choice.precision,
        "device": choice.device,
        "bottleneck": bottleneck,
        "classes": [
            {
                "index": index,
                "name": entry.name,
                "pixels": pixels,
                "mm2": square_millimetres(pixels, mpp),
            }
            for index, (entry, pixels) in enumerate(counts)
        ],
        "warnings": ledger.warnings,
        "error": None,
    }


def read_run(path: Path) -> dict[str, dict[str, Any]]:
    """Return what a finished run left in its run file.

    Raises
    ------
    OutputError
        If it is missing or damaged.
    """
    with boundary(
        lambda why: OutputError(f"the run file cannot be read: {why}", path, "Use `overwrite`.")
    ):
        # By Python's own parser: the name of a slide may hold bytes that are no text.
        content: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        try:
            _Run.model_validate(content, strict=True)
        except ValidationError as error:
            raise ValueError("it is no run file, or figures are missing in it") from error
    return content


def square_millimetres(pixels: int, mpp: float | None) -> float | None:
    """Return an area, or None if the resolution is unknown."""
    return None if mpp is None else round(pixels * mpp**2 / 1e6, 6)
