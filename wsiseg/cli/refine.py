"""``wsiseg refine``: a mask in, one after post-processing out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wsiseg.cli.options import AsJson, Debug, Quiet
from wsiseg.cli.printing import echo, print_json
from wsiseg.cli.settings_options import options_from
from wsiseg.refining.options import RefineOptions


@options_from(RefineOptions)
def refine(
    mask: Annotated[
        Path, typer.Argument(help="A finished mask, NAME.ome.zarr.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The new mask, .ome.zarr.", show_default=False)
    ],
    chosen: dict[str, Any],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing mask.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a new mask: one that stands, after post-processing."""
    from wsiseg.cli.option_names import name_options
    from wsiseg.cli.share_progress import ShareProgress
    from wsiseg.refining.refining import refine as write

    with ShareProgress("refining", quiet=quiet) as progress:
        result = write(mask, output, overwrite=overwrite, progress=progress, **chosen)
        for warning in result.warnings:
            progress.warned(name_options(warning))
    if as_json:
        print_json(
            {
                "output": str(result.output),
                "changed_pixels": result.changed_pixels,
                "classes": result.classes,
                "warnings": list(map(name_options, result.warnings)),
            }
        )
    elif not quiet:
        share = result.changed_pixels / max(1, sum(e["pixels"] for e in result.classes))
        echo(f"refined     {result.output} ({share:.2%} of the pixels changed)")
