"""Everything that OpenSlide opens."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import openslide

from wsiseg.errors import DamagedSlideError, UnknownFormatError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.slide import (
    WHITE,
    Colour,
    Pixels,
    Properties,
    Slide,
    SlideFacts,
    make_levels,
    on_background,
)

CACHE_BYTES = 64 * 2**20


class OpenSlideSlide(Slide):
    """A slide of any vendor that OpenSlide knows.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    UnknownFormatError
        If OpenSlide does not know the format.
    DamagedSlideError
        If it does, and the file is damaged.
    """

    reader = "openslide"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lock = threading.Lock()
        self._closed = False
        self._handle = self._open()
        properties = self._handle.properties
        mpp, source = _find_mpp(properties)
        self.facts = SlideFacts(
            levels=make_levels([(h, w) for w, h in self._handle.level_dimensions]),
            mpp=mpp,
            mpp_source=source,
            vendor=properties.get(openslide.PROPERTY_NAME_VENDOR, "unknown"),
            background=_background(properties),
            tile_shape=_tile_shape(properties),
            bounds=_bounds(properties),
            associated=tuple(self._handle.associated_images),
        )

    def _open(self) -> openslide.OpenSlide:
        try:
            handle = openslide.OpenSlide(self.path)
        except openslide.OpenSlideUnsupportedFormatError as error:
            raise UnknownFormatError("OpenSlide does not know the format", self.path) from error
        except openslide.OpenSlideError as error:
            raise DamagedSlideError(f"OpenSlide cannot open it: {error}", self.path) from error
        handle.set_cache(openslide.OpenSlideCache(CACHE_BYTES))
        return handle

    def _read(self, level: int, box: Box) -> Pixels:
        # Its own figure, as OpenSlide divides by it again.
        downsample = self._handle.level_downsamples[level]
        corner = round(box.x * downsample), round(box.y * downsample)
        handle = self._handle
        try:
            picture = handle.read_region(corner, level, (box.width, box.height))
        except openslide.OpenSlideError as error:
            self._reopen(handle)
            raise DamagedSlideError(
                f"{box.width}×{box.height} pixels at y={box.y}, x={box.x} of level {level} "
                f"cannot be read: {error}",
                self.path,
            ) from error
        return on_background(np.asarray(picture), self.facts.background)

    def _read_associated(self, name: str) -> Pixels:
        handle = self._handle
        try:
            picture = handle.associated_images[name]
        except openslide.OpenSlideError as error:
            self._reopen(handle)
            raise DamagedSlideError(f"its {name} cannot be read: {error}", self.path) from error
        return on_background(np.asarray(picture), self.facts.background)

    def _reopen(self, dead: openslide.OpenSlide) -> None:
        """Replace a handle that an error has killed; the first thread to notice does it."""
        with self._lock:
            if self._handle is dead:
                self._handle = self._open()

    def _after_fork(self) -> None:
        # The file's position belongs to both processes; closing would move it for the other.
        self._inherited = self._handle
        self._lock = threading.Lock()
        self._handle = self._open()

    def close(self) -> None:
        """Close the handle; once is enough."""
        with self._lock:
            if not self._closed:
                self._handle.close()
            self._closed = True


def _find_mpp(properties: Properties) -> tuple[float | None, str | None]:
    names = openslide.PROPERTY_NAME_MPP_Y, openslide.PROPERTY_NAME_MPP_X
    try:
        y, x = (float(properties[name]) for name in names)
    except (KeyError, ValueError):
        return None, None
    return (y + x) / 2, "openslide.mpp"


def _background(properties: Properties) -> Colour:
    text = properties.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR)
    if text is None or len(text) != 6:
        return WHITE
    return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)


def _tile_shape(properties: Properties) -> tuple[int, int] | None:
    try:
        return (
            int(properties["openslide.level[0].tile-height"]),
            int(properties["openslide.level[0].tile-width"]),
        )
    except (KeyError, ValueError):
        return None


def _bounds(properties: Properties) -> Box | None:
    try:
        return Box(
            int(properties[openslide.PROPERTY_NAME_BOUNDS_Y]),
            int(properties[openslide.PROPERTY_NAME_BOUNDS_X]),
            int(properties[openslide.PROPERTY_NAME_BOUNDS_HEIGHT]),
            int(properties[openslide.PROPERTY_NAME_BOUNDS_WIDTH]),
        )
    except (KeyError, ValueError):
        return None
