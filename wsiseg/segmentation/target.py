"""What a run analyses: the plane it works on, and the blocks of it that hold tissue."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from wsiseg.errors import ArgumentError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.suitability import check_lighting
from wsiseg.tiling.blocks import BlockGrid, Blocks
from wsiseg.tiling.resolution import WorkingPlane, plane_at_level, plane_at_mpp
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.tissue import (
    READING_THREADS,
    ProgressCallback,
    TissueMask,
    find_tissue,
    import_ahead,
    no_progress,
    read_overview,
)

BLOCK_LENGTH = 64.0
"""Edge in µm of the blocks that are analysed or not, but for rounding."""

BLOCK_EDGE = 128
"""The same in working pixels where µm per pixel are unknown."""


class Area(Protocol):
    """A part of a plane."""

    def blocks_in(self, grid: BlockGrid) -> npt.NDArray[np.bool_]:
        """Tell in which blocks any of it lies, bool ``(rows, columns)``."""


def lay_blocks(plane: WorkingPlane, multiple: int) -> BlockGrid:
    """Return the blocks of a plane, about 64 µm wide.

    Parameters
    ----------
    plane : WorkingPlane
        To be analysed.
    multiple : int
        What the edge of a block is a multiple of: the network's input multiple.
    """
    edge = BLOCK_EDGE if plane.mpp is None else BLOCK_LENGTH / plane.mpp
    return BlockGrid((plane.height, plane.width), max(1, round(edge / multiple)) * multiple)


def choose_blocks(
    slide: Slide, plane: WorkingPlane, grid: BlockGrid, areas: Sequence[Area]
) -> Blocks:
    """Return the blocks in which each of some areas has a part, and the slide may have pixels.

    Parameters
    ----------
    slide : Slide
        Its bounds count, where the file states what was scanned.
    plane : WorkingPlane
        The plane that the blocks lie on.
    grid : BlockGrid
        All blocks of the plane.
    areas : sequence of Area
        Tissue and regions, as far as they say where to look.
    """
    wanted = np.ones(grid.shape, bool)
    if slide.facts.bounds is not None:
        scanned = slide.facts.bounds.reduced(plane.slide_scale).intersection(plane.box)
        for axis, (first, last) in enumerate(
            ((scanned.y, scanned.bottom), (scanned.x, scanned.right))
        ):
            edges = grid.edges(axis)
            met = (edges[1:] > first) & (edges[:-1] < last)
            wanted &= met[:, None] if axis == 0 else met
    for area in areas:
        wanted &= area.blocks_in(grid)
    return Blocks(grid, wanted)


def choose_plane(slide: Slide, checkpoint: Checkpoint, options: SegmentOptions) -> WorkingPlane:
    """Return the working plane: at the level or mpp of the options, or at the checkpoint's mpp.

    Parameters
    ----------
    slide : Slide
        Open.
    checkpoint : Checkpoint
        Its mpp is the default.
    options : SegmentOptions
        `level` and `mpp` count.

    Raises
    ------
    ArgumentError
        If neither the options nor the checkpoint name a resolution, or there is no such level.
    ResolutionError
        If the slide's own resolution is missing or absurd.
    """
    if options.level is not None:
        return plane_at_level(slide, options.level)
    mpp = options.mpp if options.mpp is not None else checkpoint.mpp
    if mpp is None:
        raise ArgumentError(
            "the checkpoint names no resolution to work at",
            checkpoint.path,
            "Give one with `mpp`, or work at a level as it is with `level=0`.",
        )
    return plane_at_mpp(slide, mpp)


def find_area(
    slide: Slide,
    plane: WorkingPlane,
    options: SegmentOptions,
    searched: ProgressCallback = no_progress,
) -> TissueMask | None:
    """Return where to look: tissue that is detected, tissue that a file states, or everywhere.

    Parameters
    ----------
    slide : Slide
        Open.
    plane : WorkingPlane
        The working plane, over which the mask is laid.
    options : SegmentOptions
        `tissue`, `readers` and `force` count.
    searched : callable
        Called with the share of the slide, 0 to 1, that has been searched; raising cancels.

    Returns
    -------
    TissueMask or None
        None if everything is to be analysed.

    Raises
    ------
    UnsuitableSlideError
        If tissue is to be detected on a fluorescence or dark-field slide, unless forced.
    AnnotationError
        If the file of tissue cannot be used.
    """
    if options.tissue == "none":
        return None
    if options.tissue == "auto":
        import_ahead()
        threads = options.readers or min(READING_THREADS, os.cpu_count() or 1)
        seen = read_overview(slide, threads, searched)
        notes = check_lighting(slide, seen[0], force=options.force)
        return replace(find_tissue(slide, plane, overview=seen), notes=notes)
    from wsiseg.annotations import read_tissue

    return read_tissue(Path(options.tissue), slide, plane)
