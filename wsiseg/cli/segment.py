"""``wsiseg segment``: slides in, masks out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wsiseg.cli.options import AsJson, Debug, Quiet
from wsiseg.cli.printing import Json, begin_json, echo, print_json
from wsiseg.cli.settings_options import options_from
from wsiseg.segmentation.options import SegmentOptions


@options_from(SegmentOptions)
def segment(
    slides: Annotated[
        list[Path],
        typer.Argument(
            help="Slides or pictures, or folders of them.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the masks.", show_default=False)
    ],
    chosen: dict[str, object],
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
        typer.Option("--recursive", help="Look into the folders in a folder, too.", metavar=""),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Segment slides."""
    options = SegmentOptions(**chosen)

    from wsiseg.cli.option_names import name_options
    from wsiseg.cli.progress import ConsoleListener
    from wsiseg.demo import announce_default
    from wsiseg.segmentation.batch import make_jobs, run_cohort
    from wsiseg.segmentation.executing import OneByOne
    from wsiseg.tiling.slides import find_slides

    listener = ConsoleListener(quiet=quiet, debug=debug)
    found = find_slides(slides, recursive=recursive, exclude=[output])
    for note in found.notes:
        listener.noted(name_options(note))
    if checkpoint is None:
        listener.noted(f"no -c given: {announce_default()}")
    jobs = make_jobs(found.slides, checkpoint, output, options)
    entries: list[Json] = []
    begin_json({"slides": entries})
    try:
        for entry in run_cohort(jobs, OneByOne(listener), listener):
            failure = entry["error"]
            entries.append(entry | {"error": failure and name_options(str(failure))})
    except KeyboardInterrupt as stop:
        raise typer.Abort(resume_hint(entries)) from stop
    finally:
        listener.stop()
    if as_json:
        print_json({"slides": entries})
    elif not quiet:
        print_results(listener.runs, output)
    if any(entry["status"] == "failed" for entry in entries):
        raise typer.Exit(1)


def resume_hint(entries: list[Json]) -> str:
    """Return the hint to resume after an interruption, if there is anything to resume."""
    done = any(entry["status"] == "ok" for entry in entries)
    begun = any("--resume" in str(entry["error"]) for entry in entries)
    return "Continue with --resume." if done or begun else ""


def print_results(runs: list[dict[str, Any]], folder: Path) -> None:
    """Print the summary of each finished slide to stdout.

    Parameters
    ----------
    runs : list of dict
        The content of their run files.
    folder : Path
        The output folder.
    """
    from wsiseg.cli.progress import describe_result
    from wsiseg.store.outputs import OutputFiles
    from wsiseg.tiling.slides import slide_name

    for run in runs:
        for line in describe_result(run):
            echo(line)
        name = slide_name(Path(run["summary"]["slide"]))
        echo(f"per tile    {OutputFiles(folder, name).tiles}")
