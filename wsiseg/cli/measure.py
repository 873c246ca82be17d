"""``wsiseg measure``: masks in, tables out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wsiseg.cli.option_names import name_options
from wsiseg.cli.options import AsJson, Debug, Quiet
from wsiseg.cli.printing import Json, echo, print_json
from wsiseg.cli.settings_options import options_from
from wsiseg.measurements.options import MeasureOptions

if TYPE_CHECKING:
    from wsiseg.measurements.results import ClassMeasure


@options_from(MeasureOptions)
def measure(
    masks: Annotated[
        list[Path],
        typer.Argument(
            help="Finished masks, NAME.ome.zarr, or folders of masks.", show_default=False
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="A .csv or .parquet file (further tables are written beside it), a .json file "
            "that holds all tables, or a folder for one file per table.",
            show_default=False,
        ),
    ],
    chosen: dict[str, Any],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure areas, regions, components and densities."""
    from wsiseg.cli.share_progress import ShareProgress
    from wsiseg.measurements.measuring import measure as job

    with ShareProgress("measuring", quiet=quiet) as progress:
        result = job(masks, output, overwrite=overwrite, progress=progress, **chosen)
        for warning in result.warnings:
            progress.warned(name_options(warning))
    if as_json:
        document: Json = {
            "output": str(result.output),
            "tables": {name: str(path) for name, path in result.files.items()},
            "classes": [_entry(each) for each in result.classes],
            "slides": [
                {
                    "slide": slide.slide,
                    "mask": str(slide.mask),
                    "analysed_mm2": slide.analysed_mm2,
                    "classes": [_entry(each) for each in slide.classes],
                }
                for slide in result.slides
            ],
            "warnings": list(map(name_options, result.warnings)),
        }
        print_json(document)
    elif not quiet:
        for path in dict.fromkeys(result.files.values()):
            echo(f"measured    {path}")
        if chosen.get("regions") is not None:
            echo("  inside and outside the regions:")
        for each in result.classes:
            echo(f"  {_line(each)}")


def _entry(measured: ClassMeasure) -> Json:
    return {
        "name": measured.name,
        "pixels": measured.pixels,
        "mm2": measured.mm2,
        "share": measured.share,
        "components": measured.components,
    }


def _line(measured: ClassMeasure) -> str:
    area = f"{measured.pixels} px" if measured.mm2 is None else f"{measured.mm2:.4f} mm²"
    share = "" if measured.share is None else f", {measured.share:.1%} of what was analysed"
    return f"{measured.name}: {area}{share}, {measured.components} components"
