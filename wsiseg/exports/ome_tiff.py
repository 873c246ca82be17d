"""OME-TIFF: the labels with a palette, and their pyramid in SubIFDs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import tifffile

from wsiseg.annotations.labels import Labels
from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.format import ExportFormat, ExportOptions, Written
from wsiseg.exports.mask import Mask
from wsiseg.exports.palette import make_palette, name_labels
from wsiseg.store.disk import replace_when_complete

_TILE = 512

_CLASSIC = 2**31
"""Bytes of pixels up to which a file stays below the 4 GiB of classic TIFF, whatever it holds."""


def _write(mask: Mask, output: Path, options: ExportOptions, progress: ProgressCallback) -> Written:
    labels = mask.labels_of(options.classes)
    shapes = [level.shape[-2:] for level in mask.image.levels]
    sizes = [height * width for height, width in shapes]
    settings: dict[str, Any] = {
        "dtype": np.uint8,
        "tile": (_TILE, _TILE),
        "compression": "zlib",
        "predictor": False,
        "photometric": "palette",
        "colormap": make_palette(mask, labels).T.astype(np.uint16) * 257,
    }
    with (
        replace_when_complete(output) as unfinished,
        tifffile.TiffWriter(unfinished, ome=True, bigtiff=sum(sizes) > _CLASSIC) as file,
    ):
        done = 0
        for level, shape in enumerate(shapes):

            def advance(share: float, done: int = done, size: int = sizes[level]) -> None:
                progress((done + share * size) / sum(sizes))

            file.write(
                _tiles(mask, labels, level, advance),
                shape=shape,
                subifds=0 if level else len(shapes) - 1,
                subfiletype=1 if level else 0,
                metadata=None if level else _describe(mask, labels),
                **_resolution(mask, level),
                **settings,
            )
            # The last tile is written after it was asked for.
            advance(1.0)
            done += sizes[level]
    return Written(warnings=mask.warnings())


def _tiles(
    mask: Mask, labels: tuple[int, ...], level: int, progress: ProgressCallback
) -> Iterator[Labels]:
    for _, rows in mask.strips(labels, progress, level=level, height=_TILE):
        for left in range(0, rows.shape[1], _TILE):
            yield np.ascontiguousarray(rows[:, left : left + _TILE])


def _resolution(mask: Mask, level: int) -> dict[str, Any]:
    if mask.mpp is None:
        return {}
    return {
        "resolution": (1e4 / (mask.mpp * mask.factor(level)),) * 2,
        "resolutionunit": "CENTIMETER",
    }


def _describe(mask: Mask, labels: tuple[int, ...]) -> dict[str, object]:
    """Return what OME-XML says of the mask."""
    described: dict[str, object] = {
        "axes": "YX",
        "Name": mask.slide,
        # The same mask gives the same file.
        "UUID": str(uuid5(NAMESPACE_OID, f"{mask.slide} {mask.shape} {labels}")),
        "MapAnnotation": {"Namespace": "wsiseg/classes", "Value": name_labels(mask, labels)},
    }
    if mask.mpp is None:
        return described
    # Of the corner of the mask, from that of the slide.
    y, x = (place * mask.mpp / mask.side for place in mask.corner)
    plane = {"PositionX": [x], "PositionXUnit": ["µm"], "PositionY": [y], "PositionYUnit": ["µm"]}
    size = {f"PhysicalSize{axis}": mask.mpp for axis in "XY"}
    return described | size | {f"{name}Unit": "µm" for name in size} | {"Plane": plane}


OME_TIFF = ExportFormat(
    "labels with a palette and a pyramid", (".ome.tiff", ".ome.tif"), ExportOptions, _write
)
