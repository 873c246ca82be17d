"""OME-TIFF: the labels with a palette, and their pyramid in SubIFDs."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import tifffile

from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.format import ExportFormat, ExportOptions, Written
from wsiseg.exports.mask import Mask
from wsiseg.exports.palette import make_palette, name_labels
from wsiseg.exports.tiff_pages import CLASSIC, write_levels
from wsiseg.store.disk import replace_when_complete


def _write(mask: Mask, output: Path, options: ExportOptions, progress: ProgressCallback) -> Written:
    labels = mask.labels_of(options.classes)
    levels = mask.image.levels
    colours = make_palette(mask, labels).T.astype(np.uint16) * 257

    def settings(level: int) -> dict[str, Any]:
        return {
            "photometric": "palette",
            "colormap": colours,
            "subifds": 0 if level else len(levels) - 1,
            "metadata": None if level else _describe(mask, labels),
        }

    size = sum(level.shape[-2] * level.shape[-1] for level in levels)
    with (
        replace_when_complete(output) as unfinished,
        tifffile.TiffWriter(unfinished, ome=True, bigtiff=size > CLASSIC) as file,
    ):
        write_levels(file, mask, labels, progress, draw=lambda tile: tile, options=settings)
    return Written(warnings=mask.warnings())


def _describe(mask: Mask, labels: tuple[int, ...]) -> dict[str, object]:
    """Return what OME-XML says of the mask."""
    described: dict[str, object] = {
        "axes": "YX",
        "Name": mask.slide,
        # The same mask gives the same file.
        "UUID": str(uuid5(NAMESPACE_OID, f"{mask.slide} {mask.shape} {labels}")),
        "MapAnnotation": [
            {"Namespace": "wsiseg/classes", "Value": name_labels(mask, labels)},
            {"Namespace": "wsiseg/placement", "Value": _place(mask)},
        ],
    }
    if mask.mpp is None:
        return described
    # Of the corner of the mask, from that of the slide.
    y, x = (place * mask.mpp / mask.side for place in mask.corner)
    plane = {"PositionX": [x], "PositionXUnit": ["µm"], "PositionY": [y], "PositionYUnit": ["µm"]}
    size = {f"PhysicalSize{axis}": mask.mpp for axis in "XY"}
    return described | size | {f"{name}Unit": "µm" for name in size} | {"Plane": plane}


def _place(mask: Mask) -> dict[str, str]:
    """Return where the mask lies in pixels of the slide's file, which need not be square."""
    values: dict[str, str] = {}
    for axis, corner, stretch in zip("YX", mask.corner, mask.stretch, strict=True):
        values[f"Corner{axis}"] = repr(corner / stretch)
        values[f"Scale{axis}"] = repr(mask.side / stretch)
    return values


OME_TIFF = ExportFormat(
    "labels with a palette and a pyramid", (".ome.tiff", ".ome.tif"), ExportOptions, _write
)
