"""Options that name pictures or slides with labels, as ``train`` and ``evaluate`` take them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_PANEL = "Data: one of a public set, folders of pictures, folders of slides"


def _option(text: str, *names: str) -> object:
    return typer.Option(*names, help=text, rich_help_panel=_PANEL, show_default=False)


DatasetName = Annotated[
    str | None, _option("A public set: camvid, cityscapes, voc or mapillary.", "--dataset")
]
Root = Annotated[Path | None, _option("Its folder.", "--root")]
Split = Annotated[str | None, _option("Its part; the usual one if left out.", "--split")]
Images = Annotated[Path | None, _option("A folder of pictures.", "--images")]
Labels = Annotated[
    Path | None, _option("A folder of index or palette masks of the same stems.", "--labels")
]
Instances = Annotated[
    Path | None,
    _option("A folder of masks in which every object has its own number.", "--instances"),
]
Slides = Annotated[Path | None, _option("A folder of slides.", "--slides")]
Annotations = Annotated[
    Path | None,
    _option(
        "A folder of annotations of the same stems: GeoJSON, ASAP, ImageScope or HALO XML, "
        "OME-Zarr labels, masks.",
        "--annotations",
    ),
]
ClassMapText = Annotated[
    str | None,
    _option(
        'What names or values mean, "0=background,255=gland", or a YAML file of that. '
        "CLASS may be ignore, or exhaustive for regions in which everything is annotated; "
        "KEY may be unannotated or unclassified.",
        "--class-map",
    ),
]
CoordinatesName = Annotated[
    str, _option("auto, level0 or bounds: where annotations count from.", "--coordinates")
]
Only = Annotated[Path | None, _option("Take only the stems that a file lists.", "--only")]
Without = Annotated[Path | None, _option("Leave out the stems that a file lists.", "--without")]
_RESOLUTION = "Resolution"
Mpp = Annotated[
    float | None,
    typer.Option(help="Working µm per pixel.", rich_help_panel=_RESOLUTION, show_default=False),
]
SlideMpp = Annotated[
    float | None,
    typer.Option(
        help="The files' own µm per pixel, where they state none or a wrong one.",
        rich_help_panel=_RESOLUTION,
        show_default=False,
    ),
]
Scale = Annotated[
    float | None,
    typer.Option(
        help="Work at this size of the files instead, 0.5 for half.",
        rich_help_panel=_RESOLUTION,
        show_default=False,
    ),
]
