"""PNG whose pixels are labels, with the colours of their classes as palette.

Pillow wants the whole picture in memory, which a slide's mask need not fit; what PNG asks of rows
with a palette is little (https://www.w3.org/TR/png-3/).
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from wsiseg.errors import ArgumentError
from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.format import ExportFormat, ExportOptions, Written
from wsiseg.exports.mask import Mask
from wsiseg.exports.palette import make_palette, name_labels
from wsiseg.settings import Option
from wsiseg.store.disk import replace_when_complete
from wsiseg.tiling.stitching import NO_LABEL

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BITS, _PALETTE = 8, 3

_LONGEST = 2**31 - 1


class PngOptions(ExportOptions):
    """Settings of PNG."""

    size: Annotated[
        int | None,
        Field(
            ge=1,
            description="Longest side in pixels: the finest level of the pyramid that is no "
            "larger; the finest of all if left out.",
        ),
        Option("PNG", metavar="N"),
    ] = None


def _write(mask: Mask, output: Path, options: PngOptions, progress: ProgressCallback) -> Written:
    labels = mask.labels_of(options.classes)
    level = _choose_level(mask, options.size)
    with replace_when_complete(output) as unfinished, unfinished.open("wb") as file:
        file.write(_SIGNATURE)
        for kind, content in _chunks(mask, labels, level, progress):
            file.write(struct.pack(">I", len(content)) + kind + content)
            file.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))))
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


def _chunks(
    mask: Mask, labels: tuple[int, ...], level: int, progress: ProgressCallback
) -> Iterator[tuple[bytes, bytes]]:
    height, width = mask.image.levels[level].shape[-2:]
    if max(height, width) > _LONGEST:
        raise ArgumentError("no PNG is that large", "`size`")
    yield b"IHDR", struct.pack(">IIBBBBB", width, height, _BITS, _PALETTE, 0, 0, 0)
    yield b"PLTE", make_palette(mask, labels).tobytes()
    alpha = np.full(NO_LABEL + 1, 255, np.uint8)
    alpha[NO_LABEL] = 0
    yield b"tRNS", alpha.tobytes()
    factor = mask.factor(level)
    if mask.mpp is not None:
        per_metre = round(1e6 / (mask.mpp * factor))
        yield b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)
    about = {
        "slide": mask.slide,
        "classes": name_labels(mask, labels),
        "mpp": None if mask.mpp is None else mask.mpp * factor,
        "slide_scale": mask.side * factor,
        "corner": list(mask.corner),
        "stretch": list(mask.stretch),
    }
    yield b"tEXt", b"wsiseg\0" + json.dumps(about).encode("ascii")
    packed = zlib.compressobj()
    for _, rows in mask.strips(labels, progress, level=level):
        # Each row begins with the way in which it is filtered: none.
        content = packed.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())
        if content:
            yield b"IDAT", content
    yield b"IDAT", packed.flush()
    yield b"IEND", b""


PNG = ExportFormat("labels with a palette", (".png",), PngOptions, _write)
