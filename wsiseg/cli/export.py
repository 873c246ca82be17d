"""``wsiseg export``: a mask in, a file for other programs out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wsiseg.cli.option_names import name_options
from wsiseg.cli.options import AsJson, Debug, Overwrite, Quiet
from wsiseg.cli.printing import Json, echo, print_json
from wsiseg.cli.settings_options import options_from
from wsiseg.exports.formats import FORMATS


@options_from(*(form.options for form in FORMATS.values()))
def export(
    mask: Annotated[
        Path, typer.Argument(help="A finished mask, NAME.ome.zarr.", show_default=False)
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="; ".join(f"{name}: {form.title}" for name, form in FORMATS.items()) + ".",
            metavar="|".join(FORMATS),
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write.", show_default=False)
    ],
    chosen: dict[str, Any],
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a mask to a file for other programs."""
    from wsiseg.cli.share_progress import ShareProgress
    from wsiseg.exports.exporting import export as write

    with ShareProgress("exporting", quiet=quiet) as progress:
        result = write(mask, to, output, overwrite=overwrite, progress=progress, **chosen)
        for warning in result.warnings:
            progress.warned(name_options(warning))
    document: Json = {"output": str(result.output), "bytes": result.bytes}
    if result.features is not None:
        document["features"] = result.features
    if as_json:
        print_json(document | {"warnings": list(map(name_options, result.warnings))})
    elif not quiet:
        objects = "" if result.features is None else f", {result.features} objects"
        echo(f"exported    {result.output} ({result.bytes / 1e6:.1f} MB{objects})")
