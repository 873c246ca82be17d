"""``wsiseg report``: a folder of runs in, pages that a person reads out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wsiseg.cli.option_names import name_options
from wsiseg.cli.options import AsJson, Debug, Quiet
from wsiseg.cli.printing import Json, echo, print_json


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="The output folder of wsiseg segment.", show_default=False
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="The page to write. If left out: NAME.report.html in DIR, or report.html for "
            "several slides, with their pages beside it.",
            show_default=False,
        ),
    ] = None,
    slides: Annotated[
        Path | None,
        typer.Option(
            help="Folder to look for slides in, if they have been moved.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write self-contained HTML pages on the runs in a folder."""
    from wsiseg.cli.share_progress import ShareProgress
    from wsiseg.report.reporting import report as write

    with ShareProgress("reporting", quiet=quiet) as progress:
        result = write(folder, output, slides=slides, progress=progress)
        for warning in result.warnings:
            progress.warned(name_options(warning))
    if as_json:
        document: Json = {"output": str(result.output)}
        if len(result.pages) > 1:
            document["pages"] = [str(page) for page in result.pages]
        print_json(document | {"warnings": list(map(name_options, result.warnings))})
    elif not quiet:
        beside = f", and {len(result.pages)} pages beside it" if len(result.pages) > 1 else ""
        echo(f"report      {result.output}{beside}")
