"""The slide's own pixels beside its mask, so that any OME-Zarr viewer shows one over the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wsiseg.store.arrays import BAND_HEIGHT, SHARD_WIDTH, create_array, write_group
from wsiseg.store.disk import Json, translate_write_errors
from wsiseg.store.metadata import LABELS, MASK, VERSION, Placement, multiscales
from wsiseg.store.pyramid import Heartbeat, build_pyramid, halve_by_mean, no_heartbeat
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import Tile
from wsiseg.tiling.reading import TileReader
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import FaultTolerantSlide, Slide, with_stored_pixels
from wsiseg.tiling.slides.square_pixels import SquarePixelSlide

_READERS, _AHEAD = 2, 3
"""Threads that read, and shards that are in memory at a time."""

_CHANNELS = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"))


def write_image(
    root: Path,
    slide: Slide,
    plane: WorkingPlane,
    placement: Placement,
    notes: Json,
    *,
    heartbeat: Heartbeat = no_heartbeat,
) -> list[Box]:
    """Write the working plane as an image pyramid around a mask that is finished.

    Parameters
    ----------
    root : Path
        The store; its mask stands at ``labels/segmentation``.
    slide : Slide
        Open.
    plane : WorkingPlane
        The working plane of the mask.
    placement : Placement
        Where the working plane lies on the slide.
    notes : dict
        Attributes under the key ``wsiseg``.
    heartbeat : callable
        Called after every shard; may raise to cancel.

    Returns
    -------
    list of Box
        Parts of the file that could not be read and are white, in working pixels.
    """
    with translate_write_errors(root):
        finest = create_array(root / "0", (3, plane.height, plane.width), fill_value=255)
        stored = with_stored_pixels(slide)
        patched = FaultTolerantSlide(stored)
        readable = patched if stored is slide else SquarePixelSlide(patched)
        with TileReader(readable, plane, threads=_READERS, ahead=_AHEAD) as reader:
            for (shard,) in reader.batches(_shards(plane), 1):
                assert shard.pixels is not None
                place = shard.tile.box.slices_in(plane.box)
                finest[:, place[0], place[1]] = np.moveaxis(shard.pixels, -1, 0)
                heartbeat()
        levels = build_pyramid(root, halve_by_mean, heartbeat)
        _describe(root, slide.name, placement, levels, notes)
    stretch = slide.facts.stretch
    unread = {each.scaled(*stretch).reduced(plane.level_scale) for _, each in patched.unread}
    return sorted(unread, key=lambda box: (box.y, box.x))


def _shards(plane: WorkingPlane) -> Iterator[Tile]:
    rows = range(0, plane.height, BAND_HEIGHT)
    columns = range(0, plane.width, SHARD_WIDTH)
    for index, (top, left) in enumerate(itertools.product(rows, columns)):
        box = Box(top, left, BAND_HEIGHT, SHARD_WIDTH).intersection(plane.box)
        yield Tile(index, box, box)


def _describe(root: Path, name: str, placement: Placement, levels: int, notes: Json) -> None:
    write_group(root / LABELS, {"ome": {"version": VERSION, "labels": [MASK]}})
    channels = [
        {
            "label": label,
            "color": colour,
            "active": True,
            "window": {"min": 0, "max": 255, "start": 0, "end": 255},
        }
        for label, colour in _CHANNELS
    ]
    ome = {
        "version": VERSION,
        "multiscales": multiscales(name, placement, levels, method="mean", channels=True),
        "omero": {"channels": channels},
    }
    write_group(root, {"ome": ome, "wsiseg": notes})
