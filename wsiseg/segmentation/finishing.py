"""The end of the main job: refined labels, pyramid, image, and the files beside the mask."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from wsiseg.refining.refinement import describe_refining
from wsiseg.refining.writing import rows_of, write_refined
from wsiseg.segmentation.job import Job
from wsiseg.segmentation.provenance import describe_run
from wsiseg.segmentation.run_stats import RunStats
from wsiseg.store.disk import Json, write_atomically, write_json
from wsiseg.store.images import write_image
from wsiseg.store.journal import remove_journal
from wsiseg.store.masks import MaskStore, remove_raw
from wsiseg.store.shard_counts import count_shards
from wsiseg.throughput.probes.power_meter import PowerMeter
from wsiseg.throughput.recorder import rows_to_csv
from wsiseg.throughput.tile_energy import joules_of_tiles


def finish_mask(
    job: Job, store: MaskStore, stats: RunStats, identity: Json, meter: PowerMeter
) -> dict[str, Any]:
    """Build the pyramid, write the metadata, and last of all the files beside the mask.

    Parameters
    ----------
    job : Job
        The slide, its settings and its plan.
    store : MaskStore
        Level 0 is filled.
    stats : RunStats
        Statistics of the run.
    identity : dict
        What :func:`wsiseg.segmentation.provenance.identify` returned for the job.
    meter : PowerMeter
        Running since before the first tile.

    Returns
    -------
    dict
        The content of the run file.
    """
    slide, plan, files = job.slide, job.plan, job.files
    notes: Json = {
        "slide": slide.path.name,
        "run": files.run.name,
        "fingerprint": slide.fingerprint(),
        "slide_scale": plan.plane.slide_scale,
        "stretch": list(slide.facts.stretch),
        "bounds": None if slide.facts.bounds is None else asdict(slide.facts.bounds),
        "uncertainty": job.options.uncertainty,
        **describe_refining(job.options),
    }
    _refine(job, store, stats)
    stats.began("building the pyramid")
    store.finish(slide.name, job.placement, notes, stats.heartbeat)
    if job.options.with_image:
        stats.began("writing the image")
        unread = write_image(
            files.store,
            slide,
            plan.plane,
            job.placement,
            notes,
            heartbeat=stats.heartbeat,
        )
        if unread:
            stats.warn(
                f"the image is white in {len(unread)} pieces of the file that cannot be read, "
                f"the first at y={unread[0].y}, x={unread[0].x}"
            )
    energies = meter.read()
    joules = joules_of_tiles(stats.rows, list(energies.values()), stats.watch.total - meter.elapsed)
    write_atomically(files.tiles, rows_to_csv(stats.all_rows, joules))
    run: dict[str, Any] = describe_run(job, stats, identity, energies)
    run["shards"] = {name: count_shards(group) for name, group in job.pyramids.items()}
    write_json(files.run, run)
    remove_raw(files.mask)
    remove_journal(files.journal)
    return run


def _refine(job: Job, raw: MaskStore, stats: RunStats) -> None:
    """Make level 0 of the raw labels, if areas are to be changed."""
    plan, files = job.plan, job.files
    if not plan.refinement.changes_areas:
        return
    stats.began("refining the mask")
    shape = (plan.plane.height, plan.plane.width)
    refined = MaskStore(files.mask, shape, job.predictor.checkpoint.classes)
    strips = plan.refinement.run(rows_of(raw.labels), files.mask, lambda _: stats.heartbeat())
    stats.counts[:] = write_refined(strips, refined, plan.classes)
