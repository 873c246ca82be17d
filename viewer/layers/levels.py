"""Multiscale arrays of slides and masks: levels that halve, read lazily."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import dask.array as da
import numpy as np
import numpy.typing as npt

from wsiseg.errors import WsisegError
from wsiseg.store.label_images import LabelImage, StoredValues
from wsiseg.store.pyramid import level_shapes
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.reading import read_working_box
from wsiseg.tiling.resolution import WorkingPlane, plane_at_scale
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.slides.pixels import Pixels

CHUNK = 512
"""Edge of what is read at a time."""

DamageListener = Callable[[WsisegError], None]
"""Hears, from any thread, of what cannot be read and is left blank."""


class SlideLevel:
    """One level of a slide, read when it is cut.

    Parameters
    ----------
    slide : Slide
        Open.
    plane : WorkingPlane
        How it is looked at.
    damaged : callable
        Told of what cannot be read and is shown as glass.
    """

    ndim = 3
    dtype = np.dtype(np.uint8)

    def __init__(self, slide: Slide, plane: WorkingPlane, damaged: DamageListener) -> None:
        self._slide = slide
        self._plane = plane
        self._damaged = damaged
        self.shape = (plane.height, plane.width, 3)

    def __getitem__(self, key: tuple[slice, slice, slice]) -> Pixels:
        """Return uint8 RGB of rows, columns and channels."""
        rows, columns = (range(n)[cut] for n, cut in zip(self.shape[:2], key, strict=False))
        box = Box(rows.start, columns.start, len(rows), len(columns))
        try:
            pixels = read_working_box(self._slide, self._plane, box)
        except WsisegError as error:
            # The file may be damaged, or gone with the disk it was on.
            self._damaged(error)
            pixels = np.empty((*box.shape, 3), np.uint8)
            pixels[:] = self._slide.facts.background
        return pixels[..., key[2]]


class StoredLevel:
    """One level of a store, whose damaged chunks are left blank.

    Parameters
    ----------
    values : StoredValues
        What it holds.
    blank : int
        The value of pixels that cannot be read.
    damaged : callable
        Told of those.
    """

    ndim = 2

    def __init__(self, values: StoredValues, blank: int, damaged: DamageListener) -> None:
        self._values = values
        self._blank = blank
        self._damaged = damaged
        self.shape = values.shape
        self.dtype = values.dtype

    def __getitem__(self, key: tuple[slice, slice]) -> npt.NDArray[Any]:
        """Return rows and columns."""
        try:
            return self._values[key]
        except WsisegError as error:
            self._damaged(error)
            shape = [len(range(n)[cut]) for n, cut in zip(self.shape, key, strict=True)]
            return np.full(shape, self._blank, self.dtype)


def slide_planes(slide: Slide) -> list[WorkingPlane]:
    """Return the planes of a slide's levels, from level 0 to one that fits on a screen.

    Each has half the pixels of the one before, rounded up, as the levels of our masks have:
    napari places a level by the ratio of its shape to that of level 0, so that slide and mask
    stay together at every zoom.  Those that the file lacks are made of its next finer one.
    """
    shapes = level_shapes(slide.levels[0].height, slide.levels[0].width)
    return [
        replace(plane_at_scale(slide, 0.5**k), height=height, width=width)
        for k, (height, width) in enumerate(shapes)
    ]


def slide_levels(slide: Slide, damaged: DamageListener) -> list[da.Array]:
    """Return the levels of a slide as dask arrays, uint8 ``(H, W, 3)``.

    The slide has to stay open as long as they are in use.

    Parameters
    ----------
    slide : Slide
        Open.
    damaged : callable
        Receives what cannot be read and is shown as glass.
    """
    return [
        _lazy(SlideLevel(slide, plane, damaged), (CHUNK, CHUNK, 3)) for plane in slide_planes(slide)
    ]


def label_levels(image: LabelImage, damaged: DamageListener) -> list[da.Array]:
    """Return the levels of a mask as dask arrays, ``(H, W)``; blank is *not analysed*.

    Parameters
    ----------
    image : LabelImage
        The mask.
    damaged : callable
        Receives what cannot be read and is left blank.
    """
    blank = NO_LABEL if image.levels[0].dtype == np.uint8 else 0
    return [
        _lazy(StoredLevel(StoredValues(array, image.path), blank, damaged), array.chunks[-2:])
        for array in image.levels
    ]


def plane_levels(
    arrays: list[Any], path: Path, channel: int | None, damaged: DamageListener
) -> list[da.Array]:
    """Return the levels of one plane of bytes as dask arrays, uint8 ``(H, W)``.

    Parameters
    ----------
    arrays : list of zarr.Array
        uint8 ``(C, H, W)`` or ``(H, W)``, the finest first.
    path : Path
        Their store, for errors.
    channel : int or None
        Which of ``C``; None if there is but one plane.
    damaged : callable
        Receives what cannot be read and is left blank.
    """
    leading = () if channel is None else (channel,)
    return [
        _lazy(StoredLevel(StoredValues(array, path, leading), 0, damaged), array.chunks[-2:])
        for array in arrays
    ]


def _lazy(level: SlideLevel | StoredLevel, chunks: tuple[int, ...]) -> da.Array:
    array: da.Array = da.from_array(  # type: ignore[no-untyped-call]
        level,
        chunks=chunks,
        name=f"wsiseg-{uuid4().hex}",
        asarray=False,
        # The graph of a view then holds no more than what is in it.
        inline_array=True,
        meta=np.empty((0,) * level.ndim, level.dtype),
    )
    return array
