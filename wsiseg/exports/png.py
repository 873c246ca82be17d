"""PNG whose pixels are labels, with the colours of their classes as palette."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from wsiseg.errors import ArgumentError
from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.format import ExportFormat, ExportOptions, Written
from wsiseg.exports.mask import Mask
from wsiseg.exports.palette import describe_picture, make_palette
from wsiseg.exports.png_file import LONGEST, PngHead, write_png
from wsiseg.settings import Option
from wsiseg.tiling.bands import NO_LABEL


class PngOptions(ExportOptions):
    """Settings of PNG."""

    size: Annotated[
        int | None,
        Field(
            ge=1,
            description="Longest side in pixels. png: the finest level of the pyramid that is no "
            "larger, the finest of all if left out; overlay: 2048 if left out.",
        ),
        Option("Pictures", metavar="N"),
    ] = None


def _write(mask: Mask, output: Path, options: PngOptions, progress: ProgressCallback) -> Written:
    labels = mask.labels_of(options.classes)
    level = _choose_level(mask, options.size)
    height, width = mask.image.levels[level].shape[-2:]
    if max(height, width) > LONGEST:
        raise ArgumentError("a PNG cannot be that large", "`size`")
    factor = mask.factor(level)
    palette = np.full((NO_LABEL + 1, 4), 255, np.uint8)
    palette[:, :3] = make_palette(mask, labels)
    palette[NO_LABEL, 3] = 0
    head = PngHead(
        shape=(height, width),
        text=describe_picture(mask, labels, factor),
        mpp=None if mask.mpp is None else mask.mpp * factor,
        palette=palette,
    )
    write_png(output, head, (rows for _, rows in mask.strips(labels, progress, level=level)))
    return Written(warnings=mask.warnings())


def _choose_level(mask: Mask, size: int | None) -> int:
    sides = [max(level.shape[-2:]) for level in mask.image.levels]
    if size is None:
        return 0
    fitting = [level for level, side in enumerate(sides) if side <= size]
    if not fitting:
        raise ArgumentError(
            f"the mask has no level of {size} pixels or fewer", "`size`", f"At least {min(sides)}."
        )
    return fitting[0]


PNG = ExportFormat("labels with a palette", (".png",), PngOptions, _write)
