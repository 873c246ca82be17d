"""A sample of a slide's stained pixels, at the same resolution for every slide."""

from __future__ import annotations

import numpy as np

from wsiseg.errors import DamagedSlideError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.colour.density import density
from wsiseg.tiling.reading import read_working_box
from wsiseg.tiling.resolution import WorkingPlane, plane_at_level, plane_at_mpp
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.slides.slide import Slide
from wsiseg.tiling.tissue import Mask, read_overview

SAMPLING_MPP = 1.0
"""µm per pixel at which slides are compared: the coarser they are seen, the paler they are."""

_FAINTEST, _BLACK = 0.15, 2.5
"""Optical densities: the mean of the channels below which a pixel is glass, and what all of them
exceed where no light comes through.

Macenko's paper asks the first of every channel, which leaves out eosin that lets all red through.
"""

_BLOCK, _BLOCKS, _PLENTY = 256, 24, 50_000


def sample_stained_colours(slide: Slide) -> Pixels:
    """Return colours of stained pixels, from blocks that hold most of them on the overview.

    Parameters
    ----------
    slide : Slide
        Open.

    Returns
    -------
    ndarray
        uint8 ``(N, 3)``, RGB, at most 50,000 pixels, read at :data:`SAMPLING_MPP`; at level 0
        where that is coarser, or its resolution is not known.
    """
    plane = plane_at_level(slide, 0)
    if plane.mpp is not None and plane.mpp < SAMPLING_MPP:
        plane = plane_at_mpp(slide, SAMPLING_MPP)
    overview, unread = read_overview(slide)
    found = []
    for block in _choose_blocks(_stained(overview) & ~unread, plane):
        try:
            pixels = read_working_box(slide, plane, block)
        except DamagedSlideError:
            # The pass over all tiles will try it, count it and report it.
            continue
        found.append(pixels[_stained(pixels)])
    colours = np.concatenate(found) if found else np.empty((0, 3), np.uint8)
    return np.ascontiguousarray(colours[:: max(1, -(-len(colours) // _PLENTY))])


def _stained(pixels: Pixels) -> Mask:
    densities = density(pixels)
    return np.asarray((densities.mean(-1) > _FAINTEST) & (densities.min(-1) < _BLACK))


def _choose_blocks(stained: Mask, plane: WorkingPlane) -> list[Box]:
    """Return blocks all over the plane, those with much stain on the overview."""
    shape = -(-plane.height // _BLOCK), -(-plane.width // _BLOCK)
    places = [
        index * side // (_BLOCK * length)
        for index, side, length in zip(
            np.nonzero(stained), (plane.height, plane.width), stained.shape, strict=True
        )
    ]
    counts = np.bincount(places[0] * shape[1] + places[1], minlength=shape[0] * shape[1])
    if not counts.any():
        return []
    rich = np.flatnonzero(counts >= counts.max() / 2)
    chosen = rich[np.linspace(0, len(rich) - 1, min(len(rich), _BLOCKS)).round().astype(int)]
    corners = ((int(place) // shape[1], int(place) % shape[1]) for place in chosen)
    return [
        Box(row * _BLOCK, column * _BLOCK, _BLOCK, _BLOCK).intersection(plane.box)
        for row, column in corners
    ]
