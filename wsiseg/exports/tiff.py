"""TIFF in colour: what OpenSlide and QuPath open as a slide, one page a level."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tifffile

from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.format import ExportFormat, ExportOptions, Written
from wsiseg.exports.mask import Mask
from wsiseg.exports.palette import describe_picture, make_palette, same_colours
from wsiseg.exports.tiff_pages import CLASSIC, write_levels
from wsiseg.store.disk import replace_when_complete

_SAMPLES = 3


def _write(mask: Mask, output: Path, options: ExportOptions, progress: ProgressCallback) -> Written:
    labels = mask.labels_of(options.classes)
    palette = make_palette(mask, labels)
    pixels = sum(level.shape[-2] * level.shape[-1] for level in mask.image.levels)

    def settings(level: int) -> dict[str, Any]:
        # OpenSlide asks each maker's format for the description that it would have; none begins
        # with the bracket of JSON.
        text = None if level else describe_picture(mask, labels, mask.factor(level))
        return {"photometric": "rgb", "metadata": None, "description": text}

    with (
        replace_when_complete(output) as unfinished,
        tifffile.TiffWriter(unfinished, bigtiff=_SAMPLES * pixels > CLASSIC) as file,
    ):
        write_levels(file, mask, labels, progress, draw=palette.__getitem__, options=settings)
    return Written(warnings=(*mask.warnings(), *same_colours(mask, labels)))


TIFF = ExportFormat(
    "a pyramid in the classes' colours, for OpenSlide", (".tiff", ".tif"), ExportOptions, _write
)
