"""Provenance of a mask: all that it depends on, for the run file and for resuming."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, field_validator

from wsiseg.error_translation import translate_errors
from wsiseg.errors import OutputError
from wsiseg.models.runtimes import Predictor
from wsiseg.quantities import square_millimetres
from wsiseg.refining.options import RefineOptions
from wsiseg.segmentation.job import Job
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.run_stats import RunStats
from wsiseg.store.disk import Json
from wsiseg.throughput.hardware import describe_hardware, peak_rss_mb
from wsiseg.throughput.probes.power_meter import Energy, describe_power
from wsiseg.throughput.summary import ADVICE, time_shares
from wsiseg.tiling.covering import Cover
from wsiseg.tiling.slides import Slide, url_or_path

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
    """The part of a run file that is read again."""

    summary: _Summary
    shares: dict[str, float]
    identity: dict[str, object]
    not_analysed: _Unseen
    shards: dict[str, dict[str, object]] = {}


def identify(job: Job) -> Json:
    """Return everything that the pixels of a mask depend on."""
    plan, options, choice = job.plan, job.options, job.predictor.choice
    form = job.predictor.int8_form
    return {
        # Another reader tells a slide by other signs, so it is to be named first.
        "reader": job.slide.reader,
        "slide": job.slide.fingerprint(),
        "colours": [step.describe() for step in plan.colour_steps] or None,
        "checkpoint": job.predictor.checkpoint.sha256,
        "blend": options.blend,
        "probabilities": options.probabilities,
        # Runs of before these existed went without, and may go on.
        "tta": options.tta or None,
        "uncertainty": options.uncertainty,
        **{name: getattr(options, name) for name in RefineOptions.model_fields},
        "with_image": options.with_image,
        "runtime": choice.runtime,
        "precision": choice.precision,
        "int8_form": None if form is None else form.note.graph,
        "device": choice.device,
        "roi": None if plan.regions is None else plan.regions.digest(),
        "plane": asdict(plan.plane),
        "tile": _describe_tiles(plan.cover),
        "halo": plan.cover.halo,
        "tissue": plan.blocks.digest(),
        "windows": [asdict(window) for window in plan.windows],
    }


_NO_PIXELS = frozenset(
    {
        *("resume", "overwrite", "force", "readers", "threads"),
        *("on_bad_tile", "on_bad_numbers", "max_bad_tiles"),
    }
)
"""Settings on which no pixel of a finished mask depends."""


def is_record_of(
    run: Mapping[str, Any], slide: Slide, predictor: Predictor, options: SegmentOptions
) -> bool:
    """Tell whether a run file is that of a slide with these weights and settings.

    Where files other than the slide and the weights count, this cannot tell, and says no.

    Parameters
    ----------
    run : mapping
        The content of the run file.
    slide : Slide
        Open.
    predictor : Predictor
        The checkpoint and its runtime.
    options : SegmentOptions
        The settings.
    """
    named = (options.roi, options.stain_reference)
    if any(file is not None for file in named) or options.tissue not in ("auto", "none"):
        return False
    before, now = run.get("settings"), json.loads(json.dumps(options.as_json()))
    if not isinstance(before, dict):
        return False
    if any(before.get(name) != value for name, value in now.items() if name not in _NO_PIXELS):
        return False
    choice, form = predictor.choice, predictor.int8_form
    made: Json = {
        "checkpoint": predictor.checkpoint.sha256,
        "runtime": choice.runtime,
        "device": choice.device,
        "reader": slide.reader,
        "slide": json.loads(json.dumps(slide.fingerprint())),
    }
    if options.precision != "fast":
        made |= {
            "precision": choice.precision,
            "int8_form": None if form is None else form.note.graph,
        }
    identity = run["identity"]
    return all(identity.get(name) == value for name, value in made.items())


def _describe_tiles(cover: Cover) -> object:
    """Return the one ``[height, width]`` of a grid's tiles, or all that fitted ones have."""
    if cover.grid is not None:
        return list(cover.grid.tile)
    shapes = {shape: number for number, shape in enumerate(cover.shapes)}
    return {
        "shapes": [list(shape) for shape in shapes],
        "shape_of_tile": [shapes[tile.box.shape] for tile in cover.tiles],
        "sha256": cover.digest(),
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


def describe_run(job: Job, stats: RunStats, identity: Json, energies: Mapping[str, Energy]) -> Json:
    """Return the content of ``NAME.run.json``: enough to run it again and to judge it.

    Parameters
    ----------
    job : Job
        The slide, its settings and its plan.
    stats : RunStats
        Statistics of the run.
    identity : dict
        What :func:`identify` returned for the job.
    energies : mapping of str to Energy
        What the probes of this machine's power measured, by their names.

    Returns
    -------
    dict
        Ready for JSON.
    """
    slide, plan, predictor = job.slide, job.plan, job.predictor
    seconds = stats.watch.total
    unseen = plan.plane.box.area - int(stats.counts.sum())
    power = describe_power(energies, stats.written_pixels / 1e6)
    finishing = seconds - stats.predicted_at
    workers = max(1, len(stats.workers))
    shares = time_shares(stats.rows, seconds, finishing, stats.setup_seconds, workers)
    return {
        "summary": summarise(job, stats, seconds, shares.bottleneck, power),
        "shares": asdict(shares),
        "fast": None if job.fast is None else job.fast.as_json(),
        "setup_seconds": round(stats.setup_seconds, 3),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": job.options.as_json(),
        "identity": identity,
        "slide": {
            "path": url_or_path(slide.path),
            "reader": slide.reader,
            "vendor": slide.facts.vendor,
            "mpp": slide.mpp,
            "mpp_source": slide.facts.mpp_source,
        },
        "checkpoint": {
            "path": None if predictor.checkpoint.path is None else str(predictor.checkpoint.path),
            "source": predictor.checkpoint.source,
            **predictor.checkpoint.card.model_dump(mode="json"),
        },
        "plan": {
            "tiles": len(plan.cover.tiles),
            "overlap_share": round(plan.cover.overlap_share, 4),
            "computed_pixels": plan.computed_pixels,
            "analysed_pixels": plan.blocks.area,
            "wanted_pixels": plan.wanted_pixels,
            "orientations": plan.orientations,
            "batch": plan.batch,
            "readers": plan.readers,
            "threads": predictor.choice.threads,
            "memory_bytes": asdict(plan.memory),
            "disk_bytes": job.disk_need.expected,
        },
        "not_analysed": {
            "pixels": unseen,
            "mm2": square_millimetres(unseen, plan.plane.mpp),
        },
        "versions": versions(),
        "hardware": describe_hardware(),
        "power_w": power and power["mean_w"],
        "power": power,
        "warnings": stats.warnings,
        **({"workers": stats.workers} if stats.workers else {}),
    }


def summarise(
    job: Job, stats: RunStats, seconds: float, bottleneck: str, power: Json | None
) -> Json:
    """Return the entry of a finished slide in ``wsiseg segment --json``.

    Parameters
    ----------
    job : Job
        The slide, its settings and its plan.
    stats : RunStats
        Statistics of the run.
    seconds : float
        Wall time of the slide.
    bottleneck : str
        The stage that took most of it, see :class:`wsiseg.throughput.summary.TimeShares`.
    power : dict or None
        What :func:`wsiseg.throughput.probes.power_meter.describe_power` returned.

    Returns
    -------
    dict
        Ready for JSON.
    """
    choice, mpp = job.predictor.choice, job.plan.plane.mpp
    counts = zip(job.predictor.checkpoint.classes, stats.counts.tolist(), strict=True)
    return {
        "slide": url_or_path(job.slide.path),
        "status": "ok",
        "mask": str(job.files.mask),
        "seconds": round(seconds, 3),
        "forward_seconds": round(sum(row.forward_ms for row in stats.rows) / 1e3, 3),
        "megapixels": round(float(stats.counts.sum()) / 1e6, 6),
        "computed_megapixels": round(stats.computed_pixels * job.plan.orientations / 1e6, 6),
        "mpx_per_s": round(stats.written_pixels / 1e6 / seconds, 3),
        "tiles": len(stats.all_rows),
        "tiles_per_s": round(len(stats.rows) / seconds, 3),
        "unread_tiles": stats.unread_tiles,
        "pixels_without_numbers": stats.pixels_without_numbers,
        "peak_rss_mb": round(max(peak_rss_mb(), stats.peak_elsewhere_mb), 1),
        "memory_mb": round(job.plan.memory.total / 1e6, 1),
        "runtime": choice.runtime,
        "precision": choice.precision,
        "label_agreement": None if job.fast is None else job.fast.label_agreement,
        "device": choice.device,
        "power_w": power and power["mean_w"],
        "joules_per_mpx": power and power["joules_per_mpx"],
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
        "warnings": stats.warnings,
        "error": None,
    }


def read_run(path: Path) -> dict[str, dict[str, Any]]:
    """Return the content of a run file.

    Raises
    ------
    OutputError
        If it is missing or damaged.
    """
    with translate_errors(
        lambda why: OutputError(f"the run file cannot be read: {why}", path, "Use `overwrite`.")
    ):
        # By Python's own parser: the name of a slide may hold bytes that are no text.
        content: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        try:
            _Run.model_validate(content, strict=True)
        except ValidationError as error:
            raise ValueError("it is not a run file, or figures are missing") from error
    return content
