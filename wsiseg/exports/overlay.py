"""A picture of the slide with the mask over it, PNG or JPEG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field

from wsiseg.annotations.labels import Labels
from wsiseg.errors import ArgumentError
from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.format import ExportFormat, Written
from wsiseg.exports.mask import Mask
from wsiseg.exports.palette import describe_picture, make_palette
from wsiseg.exports.png_file import PngHead, write_png
from wsiseg.exports.slides import SlideOptions, open_slide_of
from wsiseg.settings import Option
from wsiseg.store.disk import replace_when_complete
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.reading import read_working_box
from wsiseg.tiling.resolution import WorkingPlane, plane_at_scale
from wsiseg.tiling.slides import FaultTolerantSlide, Slide, with_stored_pixels
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.slides.square_pixels import SquarePixelSlide

_ROWS = 256
"""Rows of the picture that are drawn at a time."""

_LARGEST_JPEG = 16_384
"""Pixels along a side of a JPEG, which is in memory as a whole."""

_WEIGHT = 256


class OverlayOptions(SlideOptions):
    """Settings of pictures of the slide with the mask over it."""

    size: Annotated[
        int,
        Field(ge=16, le=200_000, description="Longest side in pixels."),
        Option("Pictures", metavar="N"),
    ] = 2048
    opacity: Annotated[
        float,
        Field(ge=0, le=1, description="Opacity of the class colours over the slide, 0 to 1."),
        Option("Pictures", metavar="SHARE"),
    ] = 0.5


@dataclass(frozen=True)
class _Frame:
    """What the picture shows: a part of a plane of the slide, and a level of the mask for it."""

    plane: WorkingPlane
    box: Box
    level: int

    @property
    def corner(self) -> tuple[float, float]:
        """``(y, x)`` in pixels of level 0."""
        scale = self.plane.slide_scale
        return self.box.y * scale, self.box.x * scale

    def pixels_of(self, mask: Mask, axis: int) -> npt.NDArray[np.int64]:
        """Return the row, or column, of the mask's level in which centres of pixels lie."""
        first, count = ((self.box.y, self.box.height), (self.box.x, self.box.width))[axis]
        centres = (np.arange(first, first + count) + 0.5) * self.plane.slide_scale
        places = (centres - mask.corner[axis]) / (mask.side * mask.factor(self.level))
        found: npt.NDArray[np.int64] = np.floor(places).astype(np.int64)
        return found


def _write(
    mask: Mask, output: Path, options: OverlayOptions, progress: ProgressCallback
) -> Written:
    labels = mask.labels_of(options.classes)
    jpeg = not output.name.lower().endswith(".png")
    if jpeg and options.size > _LARGEST_JPEG:
        raise ArgumentError(
            f"a JPEG has at most {_LARGEST_JPEG} pixels along a side", "`size`", "Write a PNG."
        )
    with open_slide_of(mask, options.slide, output) as slide:
        frame = _choose_frame(mask, slide, options.size)
        stored = with_stored_pixels(slide)
        patched = FaultTolerantSlide(stored)
        readable = patched if stored is slide else SquarePixelSlide(patched)
        factor = frame.plane.slide_scale / mask.side
        head = PngHead(
            shape=frame.box.shape,
            text=describe_picture(mask, labels, factor, frame.corner),
            mpp=None if mask.mpp is None else mask.mpp * factor,
        )
        palette = make_palette(mask, labels)
        weights = np.zeros(NO_LABEL + 1, np.uint16)
        weights[list(labels)] = round(options.opacity * _WEIGHT)
        strips = (
            _blend(pixels, shown, palette, weights)
            for pixels, shown in _strips(mask, labels, readable, frame, progress)
        )
        if jpeg:
            _write_jpeg(output, head, strips)
        else:
            write_png(output, head, strips)
    unread = len(patched.unread)
    told = f"the picture is white in {unread} pieces of the file that cannot be read"
    return Written(warnings=(*mask.warnings(), *([told] if unread else ())))


def _choose_frame(mask: Mask, slide: Slide, size: int) -> _Frame:
    """Return the scanned part of the slide, reduced so that it is no larger than `size`."""
    scanned = slide.facts.scanned_box(0)
    # A part that begins and ends within pixels is covered by two more.
    room = size if scanned == slide.levels[0].box else size - 2
    scale = 1.0 if max(scanned.shape) <= size else max(scanned.shape) / room
    plane = plane_at_scale(slide, 1 / scale)
    box = scanned.reduced(plane.slide_scale).intersection(plane.box)
    # Two pixels along one of the picture: levels are up to a pixel off at the edges of areas.
    fitting = [
        level
        for level in range(len(mask.image.levels))
        if 2 * mask.side * mask.factor(level) <= plane.slide_scale
    ]
    return _Frame(plane, box, max(fitting, default=0))


def _strips(
    mask: Mask,
    labels: tuple[int, ...],
    slide: Slide,
    frame: _Frame,
    progress: ProgressCallback,
) -> Iterator[tuple[Pixels, Labels]]:
    """Yield the rows of the picture, some at a time: the slide's pixels, and the labels there."""
    box = frame.box
    rows, columns = frame.pixels_of(mask, 0), frame.pixels_of(mask, 1)
    height, width = mask.image.levels[frame.level].shape[-2:]
    across = (columns >= 0) & (columns < width)
    for top in range(0, box.height, _ROWS):
        part = Box(box.y + top, box.x, min(_ROWS, box.height - top), box.width)
        shown = np.full(part.shape, NO_LABEL, np.uint8)
        lines = rows[top : top + part.height]
        down = (lines >= 0) & (lines < height)
        if down.any():
            inside = lines[down]
            read = mask.rows(labels, frame.level, int(inside[0]), int(inside[-1]) + 1)
            shown[np.ix_(down, across)] = read[np.ix_(inside - inside[0], columns[across])]
        yield read_working_box(slide, frame.plane, part), shown
        progress((top + part.height) / box.height)


def _blend(
    pixels: Pixels, labels: Labels, palette: Pixels, weights: npt.NDArray[np.uint16]
) -> Pixels:
    weight = weights[labels][..., None]
    mixed = pixels * (_WEIGHT - weight)
    mixed += palette[labels] * weight
    # 256 times 255 and the half are less than 2**16.
    mixed += _WEIGHT // 2
    return (mixed // _WEIGHT).astype(np.uint8)


def _write_jpeg(output: Path, head: PngHead, strips: Iterator[Pixels]) -> None:
    picture = np.empty((*head.shape, 3), np.uint8)
    top = 0
    for strip in strips:
        picture[top : top + len(strip)] = strip
        top += len(strip)
    with replace_when_complete(output) as unfinished:
        Image.fromarray(picture).save(
            unfinished, "JPEG", quality=92, subsampling=0, comment=head.text.encode("ascii")
        )


OVERLAY = ExportFormat(
    "the slide with the mask over it", (".png", ".jpg", ".jpeg"), OverlayOptions, _write
)
