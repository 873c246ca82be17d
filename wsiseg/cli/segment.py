"""``wsiseg segment``: slides in, masks out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wsiseg.cli.options import AsJson, Debug, Quiet
from wsiseg.cli.printing import Json, begin_json, print_json
from wsiseg.cli.settings_options import options_from
from wsiseg.cluster import ClusterOptions
from wsiseg.segmentation.options import SegmentOptions

if TYPE_CHECKING:
    from wsiseg.cli.progress import ConsoleListener
    from wsiseg.segmentation.listener import Listener
    from wsiseg.segmentation.slide_jobs import Execution, SlideJob

_COHORT = "Several slides"


@options_from(SegmentOptions, ClusterOptions)
def segment(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the masks.", show_default=False)
    ],
    chosen: dict[str, object],
    slides: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Slides or pictures, folders of them, patterns like 'scans/*.svs', or URLs.",
            show_default=False,
        ),
    ] = None,
    slide_list: Annotated[
        Path | None,
        typer.Option(
            "--slides",
            metavar="LIST.csv",
            help="A table with one row per slide: column slide, and optionally checkpoint, mpp, "
            "slide_mpp, roi, output. Relative paths start at the table's folder.",
            rich_help_panel=_COHORT,
        ),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "-c",
            "--checkpoint",
            metavar="NAME|FILE|URL",
            help="A bundled checkpoint, see wsiseg models list --checkpoints; a .safetensors file; "
            "or https://, s3://, hf://OWNER/NAME. nuclei if left out.",
        ),
    ] = None,
    recursive: Annotated[
        bool,
        typer.Option(
            "--recursive",
            help="Look into subfolders, too.",
            metavar="",
            rich_help_panel=_COHORT,
        ),
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Run only the slides that batch.json records as failed or interrupted.",
            metavar="",
            rich_help_panel=_COHORT,
        ),
    ] = False,
    fail_fast: Annotated[
        bool,
        typer.Option(
            "--fail-fast",
            help="Stop after the first slide that fails.",
            metavar="",
            rich_help_panel=_COHORT,
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the plan with its time, memory and disk space; write nothing.",
            metavar="",
            rich_help_panel=_COHORT,
        ),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Segment slides."""
    from wsiseg.cli.option_names import name_options
    from wsiseg.cli.progress import ConsoleListener
    from wsiseg.cli.segment_results import print_forecasts, print_results, tell_how_to_go_on
    from wsiseg.demo import announce_default
    from wsiseg.segmentation.batch import gather_slides, make_jobs
    from wsiseg.segmentation.slide_lists import common_options, read_slide_list

    listener = ConsoleListener(quiet=quiet, debug=debug)
    listed = () if slide_list is None else read_slide_list(slide_list)
    named = [*(slides or ()), *listed]
    who = ClusterOptions.select(chosen)
    settings = {name: value for name, value in chosen.items() if name not in who.model_fields_set}
    options, override = common_options(settings, named)
    found = gather_slides(
        named,
        recursive=recursive,
        output=output,
        noted=lambda note: listener.noted(name_options(note)),
    )
    if checkpoint is None and any(getattr(each, "checkpoint", None) is None for each in found):
        listener.noted(f"no -c given: {announce_default()}")
    jobs = make_jobs(found, checkpoint, output, options, override_listed=override)
    entries: list[Json] = []
    begin_json({"slides": entries})
    run = _plan if dry_run else _run
    try:
        for entry in run(jobs, listener, who=who, retry_failed=retry_failed, fail_fast=fail_fast):
            failure = entry["error"]
            entries.append(entry | {"error": failure and name_options(str(failure))})
    except KeyboardInterrupt as stop:
        listener.stop()
        raise typer.Abort(tell_how_to_go_on(entries, len(jobs), listener)) from stop
    finally:
        listener.stop()
    if as_json:
        print_json({"slides": entries})
    elif dry_run:
        print_forecasts(entries, output)
    elif not quiet:
        print_results(entries, listener.runs, output, total=len(jobs))
    if any(entry["status"] == "failed" for entry in entries):
        raise typer.Exit(1)


def _run(
    jobs: list[SlideJob],
    listener: ConsoleListener,
    *,
    who: ClusterOptions,
    retry_failed: bool,
    fail_fast: bool,
) -> Iterator[dict[str, Any]]:
    from wsiseg.segmentation.batch import run_cohort

    with execution_of(who, jobs[0].options.threads, listener) as execution:
        yield from run_cohort(
            jobs, execution, listener, retry_failed=retry_failed, fail_fast=fail_fast
        )


@contextmanager
def execution_of(
    who: ClusterOptions, threads: int | None, listener: Listener
) -> Iterator[Execution]:
    """Give what runs the jobs: this process, or a cluster.

    Parameters
    ----------
    who : ClusterOptions
        What the user named.
    threads : int or None
        CPU threads of each process.
    listener : Listener
        Receives the events of the run.
    """
    if not who.wanted:
        from wsiseg.segmentation.executing import OneByOne

        yield OneByOne(listener)
        return
    from wsiseg.cluster import open_cluster

    listener.began("connecting to workers")
    with open_cluster(who.scheduler, who.workers, threads=threads) as cluster:
        yield cluster.execution(listener)


def _plan(
    jobs: list[SlideJob],
    listener: ConsoleListener,
    *,
    who: ClusterOptions,
    retry_failed: bool,
    fail_fast: bool,
) -> Iterator[dict[str, Any]]:
    from wsiseg.segmentation.forecasting import plan_cohort

    for entry in plan_cohort(jobs, listener, retry_failed=retry_failed):
        yield entry
        if fail_fast and entry["status"] == "failed":
            return
