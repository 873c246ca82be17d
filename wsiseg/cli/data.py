"""Options that name pictures or slides with labels, as ``train`` and ``evaluate`` take them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from wsiseg.cli.options import chosen_option

_DATA, _RESOLUTION = (
    "Data: one of a public set, folders of pictures, folders of slides",
    "Resolution",
)


DatasetName = Annotated[
    str | None,
    chosen_option(_DATA, "A public set: camvid, cityscapes, voc or mapillary.", "--dataset"),
]
Root = Annotated[Path | None, chosen_option(_DATA, "Its folder.", "--root")]
Split = Annotated[
    str | None, chosen_option(_DATA, "Its part; the usual one if left out.", "--split")
]
Images = Annotated[Path | None, chosen_option(_DATA, "A folder of pictures.", "--images")]
Labels = Annotated[
    Path | None,
    chosen_option(_DATA, "A folder of index or palette masks of the same stems.", "--labels"),
]
Instances = Annotated[
    Path | None,
    chosen_option(
        _DATA, "A folder of masks in which every object has its own number.", "--instances"
    ),
]
Slides = Annotated[Path | None, chosen_option(_DATA, "A folder of slides.", "--slides")]
Annotations = Annotated[
    Path | None,
    chosen_option(
        _DATA,
        "A folder of annotations of the same stems: GeoJSON, ASAP, ImageScope or HALO XML, "
        "OME-Zarr labels, masks.",
        "--annotations",
    ),
]
ClassMapText = Annotated[
    str | None,
    chosen_option(
        _DATA,
        'What names or values mean, "0=background,255=gland", or a YAML file of that. '
        "CLASS may be ignore, or exhaustive for regions in which everything is annotated; "
        "KEY may be unannotated or unclassified.",
        "--class-map",
    ),
]
CoordinatesName = Annotated[
    str,
    chosen_option(_DATA, "auto, level0 or bounds: where annotations count from.", "--coordinates"),
]
Only = Annotated[
    Path | None, chosen_option(_DATA, "Take only the stems that a file lists.", "--only")
]
Without = Annotated[
    Path | None, chosen_option(_DATA, "Leave out the stems that a file lists.", "--without")
]
Mpp = Annotated[
    float | None,
    chosen_option(_RESOLUTION, "Working µm per pixel."),
]
SlideMpp = Annotated[
    float | None,
    chosen_option(
        _RESOLUTION, "The files' own µm per pixel, where they state none or a wrong one."
    ),
]
Scale = Annotated[
    float | None,
    chosen_option(_RESOLUTION, "Work at this size of the files instead, 0.5 for half."),
]
