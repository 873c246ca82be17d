"""``wsiseg stain``: writes the stains of a slide to a file, as a reference for others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wsiseg.cli.options import AsJson, Debug, Icc, Quiet, ReaderName
from wsiseg.cli.printing import echo, print_json


def stain(
    slide: Annotated[Path, typer.Argument(help="A slide or picture.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="A .json file for --stain-reference.", show_default=False
        ),
    ],
    method: Annotated[str, typer.Option(help="macenko, reinhard or vahadane.")] = "macenko",
    icc: Icc = False,
    reader: ReaderName = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure a slide's stains and save them as a reference."""
    from dataclasses import asdict

    from wsiseg.cli.progress import ConsoleListener
    from wsiseg.errors import ArgumentError, OutputExistsError
    from wsiseg.segmentation.colouring import recolour, save_reference
    from wsiseg.tiling.colour import METHODS, ColourOptions, estimate_stains
    from wsiseg.tiling.slides import open_slide

    if method not in METHODS:
        raise ArgumentError(
            f"there is no stain normalisation {method!r}",
            "--method",
            f"Use {', '.join(METHODS)}.",
        )
    if output.suffix.lower() != ".json":
        raise ArgumentError("a reference is a .json file", "--output", f"{output.stem}.json, say.")
    if output.exists():
        raise OutputExistsError("the output already exists", output, "Choose another -o.")
    with open_slide(slide, reader) as opened:
        listener = ConsoleListener(quiet=quiet)
        seen = recolour(opened, ColourOptions(icc=icc), listener.warned)
        look = estimate_stains(seen, method)
    save_reference(output, method, look, icc=icc)
    if as_json:
        print_json({"output": str(output), "method": method, "icc": icc, **asdict(look)})
    elif not quiet:
        echo(f"reference   {output}")
