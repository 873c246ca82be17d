"""The plan of a run, made before it begins: resolution, tiles, memory."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from wsiseg.annotations import read_regions, read_tissue
from wsiseg.errors import ArgumentError, MemoryBudgetError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.runtimes import Predictor
from wsiseg.refining.refinement import Refinement, plan_refinement
from wsiseg.segmentation.colouring import find_colour_steps, warn_of_colour_mismatch
from wsiseg.segmentation.memory import NEXT_SLIDE_BYTES, MemoryCosts, MemoryNeed
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.suitability import check_lighting, check_resolution
from wsiseg.store.arrays import SHARD_WIDTH
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.colour import ColourStep
from wsiseg.tiling.grid import Tile, TileGrid
from wsiseg.tiling.regions import Regions
from wsiseg.tiling.resolution import WorkingPlane, plane_at_level, plane_at_mpp
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.tissue import (
    READING_THREADS,
    ProgressCallback,
    TissueMask,
    find_tissue,
    no_progress,
    read_overview,
)

LARGEST_TILES = (2304, 2048, 1536, 1024, 768, 512, 384, 256)
"""Tile edges to try, the largest first: few borders matter more than how they are blended."""

CROP_HALO = 64
BLEND_HALO_SHARE = 8


class Area(Protocol):
    """A part of a plane."""

    def touches(self, box: Box) -> bool:
        """Tell whether any of it lies in a box of working pixels."""


@dataclass(frozen=True)
class Plan:
    """A run on one slide.

    Attributes
    ----------
    plane : WorkingPlane
        The working resolution and how it is read.
    grid : TileGrid
        Over the whole plane.
    area : Area or None
        Where to look, tissue for instance; None if everything is to be analysed.
    scanned : Box
        Where the slide may have pixels.
    regions : Regions or None
        What the user drew, if anything.
    windows : tuple of Box
        Column stripes, worked off one after the other; one of them if memory allows.
    batch, readers, ahead : int
        Tiles at a time, reading threads, tiles read ahead.
    memory : MemoryNeed
        For the widest window.
    classes : int
        Number of classes.
    orientations : int
        In how many the network sees each tile.
    colour_steps : tuple of ColourStep
        What is done to the slide's colours before the network sees them.
    refinement : Refinement
        What is done to the labels afterwards.
    warnings : tuple of str
        What was assumed.
    """

    plane: WorkingPlane
    grid: TileGrid
    area: Area | None
    scanned: Box
    regions: Regions | None
    windows: tuple[Box, ...]
    batch: int
    readers: int
    ahead: int
    memory: MemoryNeed
    classes: int
    orientations: int
    colour_steps: tuple[ColourStep, ...]
    refinement: Refinement
    warnings: tuple[str, ...]

    @cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """Tiles whose core meets tissue and regions, in row-major order."""
        return tuple(tile for tile in self.grid if self._wanted(tile))

    def _wanted(self, tile: Tile) -> bool:
        return (
            tile.core.intersection(self.scanned).area > 0
            and (self.area is None or self.area.touches(tile.core))
            and (self.regions is None or self.regions.touches(tile.core))
        )

    def tiles_for(self, window: Box, *, whole: bool) -> list[Tile]:
        """Return the tiles that can change a window.

        Parameters
        ----------
        window : Box
            A part of the plane.
        whole : bool
            Count a tile's halo too, as blending does.
        """
        return [t for t in self.tiles if (t.box if whole else t.core).intersection(window).area]

    @property
    def computed_pixels(self) -> int:
        """Pixels that go through the network for one tile, in all of its orientations."""
        return self.grid.tile[0] * self.grid.tile[1] * self.orientations

    @property
    def skipped_pixels(self) -> int:
        """Working pixels in tiles that are left out: no tissue, or outside the regions."""
        return self.plane.box.area - sum(tile.core.area for tile in self.tiles)


def make_plan(
    slide: Slide,
    predictor: Predictor,
    options: SegmentOptions,
    plane: WorkingPlane | None = None,
    area: Area | None = None,
    *,
    prefetch: bool = False,
    searched: ProgressCallback = no_progress,
) -> Plan:
    """Plan a run: choose resolution, tissue, tiles and column stripes within the memory budget.

    Parameters
    ----------
    slide : Slide
        Open.
    predictor : Predictor
        The checkpoint and its runtime.
    options : SegmentOptions
        The user's settings.
    plane : WorkingPlane, optional
        In place of the one that the options choose.
    area : Area, optional
        Where to look, in place of the tissue that the options look for.
    prefetch : bool
        Reserve memory to open the next slide while this one is written, if the budget allows.
    searched : callable
        Called with the share of the slide, 0 to 1, searched for tissue; raising cancels.

    Raises
    ------
    ResolutionError
        If the slide's or the checkpoint's resolution is missing or absurd, or they are far apart.
    UnsuitableSlideError
        If the slide is fluorescence or dark field.
    ArgumentError
        If tile and halo do not fit each other, or there is no class of a name in `threshold`.
    AnnotationError
        If regions or a tissue mask cannot be used.
    StainError
        If stains are to be normalised and cannot be.
    MemoryBudgetError
        If no way of cutting the work fits the budget.
    """
    checkpoint, choice = predictor.checkpoint, predictor.choice
    doubts: tuple[str, ...] = ()
    if plane is None:
        plane = choose_plane(slide, checkpoint, options)
        doubts = _check_suitable(slide, plane, checkpoint, options)
    classes = dict(enumerate(checkpoint.classes))
    refinement = plan_refinement(options, classes, plane.mpp, slide.path)
    regions, notes = (None, ()) if options.roi is None else read_regions(options.roi, slide, plane)
    readers = options.readers or min(4, max(1, choice.threads))
    batch = options.batch or (1 if choice.device == "cpu" else 4)
    orientations = predictor.orientations(tta=options.tta)
    costs = MemoryCosts(
        cache_bytes=slide.cache_bytes,
        bytes_per_pixel=predictor.bytes_per_pixel,
        classes=len(checkpoint.classes),
        blend=options.blend,
        probabilities=options.probabilities or bool(refinement.thresholds),
        uncertainty=options.uncertainty is not None,
        averaged=len(orientations) > 1,
        turned=any(each.transposed for each in orientations),
        source_scale=plane.level_scale if plane.resampled else 0.0,
        batch=batch,
        readers=readers,
        ahead=max(readers, 2 * batch) + 1,
    )
    grid, windows = _cut_work(plane, predictor, options, costs)
    area = area or find_area(slide, plane, options, searched)
    said: list[str] = []
    warn_of_colour_mismatch(checkpoint.card.training, options.colours, said.append)
    steps = find_colour_steps(slide, options.colours, said.append, options.slide_mpp)
    return Plan(
        plane=plane,
        grid=grid,
        area=area,
        scanned=_find_scanned(slide, plane),
        regions=regions,
        windows=windows,
        batch=batch,
        readers=readers,
        ahead=costs.ahead,
        memory=_with_next(costs.need(grid, windows), options.memory, prefetch=prefetch),
        classes=costs.classes,
        orientations=len(orientations),
        colour_steps=steps,
        refinement=refinement,
        warnings=(
            *slide.facts.warnings,
            *doubts,
            *(area.notes if isinstance(area, TissueMask) else ()),
            *_assumptions(plane, len(windows), grid, checkpoint, options),
            *notes,
            *said,
            *refinement.warnings,
        ),
    )


def _check_suitable(
    slide: Slide, plane: WorkingPlane, checkpoint: Checkpoint, options: SegmentOptions
) -> tuple[str, ...]:
    """Refuse what the checkpoint was not trained for, and return what to say of it."""
    said = check_resolution(slide, plane, checkpoint, force=options.force)
    # Where tissue is searched, its overview tells.  A picture without µm per pixel that is taken as
    # it is may show a street at night.
    picture = options.level is not None and slide.mpp is None
    if options.tissue == "auto" or picture:
        return said
    return (*said, *check_lighting(slide, read_overview(slide)[0], force=options.force))


def _with_next(memory: MemoryNeed, budget: int, *, prefetch: bool) -> MemoryNeed:
    """Add the next slide where it fits.

    How the plane is cut does not depend on it: a slide has the same mask alone and in a batch.
    """
    fits = prefetch and memory.total + NEXT_SLIDE_BYTES <= budget
    return replace(memory, next_slide=NEXT_SLIDE_BYTES if fits else 0)


def _find_scanned(slide: Slide, plane: WorkingPlane) -> Box:
    bounds = slide.facts.bounds
    whole = plane.box
    return whole if bounds is None else bounds.reduced(plane.slide_scale).intersection(whole)


def _cut_work(
    plane: WorkingPlane, predictor: Predictor, options: SegmentOptions, costs: MemoryCosts
) -> tuple[TileGrid, tuple[Box, ...]]:
    """Return the grid and stripes that compute least of those that fit the memory budget."""
    needs: list[int] = []
    fitting: list[tuple[int, TileGrid, tuple[Box, ...]]] = []
    for grid in _candidate_grids(plane, predictor, options):
        for windows in _ways_to_cut(plane):
            needs.append(costs.need(grid, windows).total)
            if needs[-1] <= options.memory:
                work = _computed_pixels(grid, windows, whole=options.blend != "crop")
                fitting.append((work, grid, windows))
                break
    if not fitting:
        raise MemoryBudgetError(
            f"about {min(needs) / 2**20:.0f} MiB of memory are needed, "
            f"{options.memory / 2**20:.0f} MiB are allowed",
            "`memory`",
            "Allow more with `memory`, or use a smaller `tile` or `batch`.",
        )
    _, grid, windows = min(fitting, key=lambda found: found[0])
    return grid, windows


def choose_plane(slide: Slide, checkpoint: Checkpoint, options: SegmentOptions) -> WorkingPlane:
    """Return the working plane: at the level or mpp of the options, or at the checkpoint's mpp.

    Parameters
    ----------
    slide : Slide
        Open.
    checkpoint : Checkpoint
        Its mpp is the default.
    options : SegmentOptions
        `level`, `mpp` and `slide_mpp` count.

    Raises
    ------
    ArgumentError
        If neither the options nor the checkpoint name a resolution, or there is no such level.
    ResolutionError
        If the slide's own resolution is missing or absurd.
    """
    if options.level is not None:
        return plane_at_level(slide, options.level, options.slide_mpp)
    mpp = options.mpp if options.mpp is not None else checkpoint.mpp
    if mpp is None:
        raise ArgumentError(
            "the checkpoint names no resolution to work at",
            checkpoint.path,
            "Give one with `mpp`, or work at a level as it is with `level=0`.",
        )
    return plane_at_mpp(slide, mpp, options.slide_mpp)


def _assumptions(
    plane: WorkingPlane,
    windows: int,
    grid: TileGrid,
    checkpoint: Checkpoint,
    options: SegmentOptions,
) -> tuple[str, ...]:
    """Return what the user may not expect."""
    found = []
    if plane.resampled and plane.level_scale < 1:
        found.append(
            f"the slide is coarser than the {plane.mpp:g} µm per pixel to work at "
            f"and is enlarged {1 / plane.level_scale:.2f} times"
        )
    if plane.mpp is None:
        found.append("the slide's µm per pixel are unknown; the mask has no physical scale")
    if options.level is not None and checkpoint.mpp is None and checkpoint.scale is not None:
        found.append(
            f"the checkpoint was trained at {checkpoint.scale:g} times the size of its pictures"
        )
    for name, value in (("tile", options.tile), ("halo", options.halo)):
        if value is not None and value % grid.multiple:
            found.append(f"`{name}={value}` is rounded up to a multiple of {grid.multiple}")
    if windows > 1:
        found.append(f"the memory budget cuts the slide into {windows} column stripes")
    return tuple(found)


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
        threads = options.readers or min(READING_THREADS, os.cpu_count() or 1)
        seen = read_overview(slide, threads, searched)
        notes = check_lighting(slide, seen[0], force=options.force)
        return replace(find_tissue(slide, plane, overview=seen), notes=notes)
    return read_tissue(Path(options.tissue), slide, plane)


def _candidate_grids(
    plane: WorkingPlane, predictor: Predictor, options: SegmentOptions
) -> Iterator[TileGrid]:
    """Yield grids from the best to the smallest; one alone if the user named the tile."""
    multiple = predictor.checkpoint.input_multiple
    reach = math.inf if predictor.receptive_radius is None else predictor.receptive_radius
    edges: Sequence[int] = LARGEST_TILES if options.tile is None else (options.tile,)
    for edge in edges:
        if options.halo is not None:
            halo = options.halo
        else:
            wanted = CROP_HALO if options.blend == "crop" else edge // BLEND_HALO_SHARE
            halo = int(min(wanted, reach, edge // 4))
        # Of a tile that is chosen for a halo that is given, half is to be of use.
        largest = edge if options.tile is not None else max(edge, 4 * halo)
        yield TileGrid.fitting(
            (plane.height, plane.width), largest, halo, multiple, shrink=options.tile is None
        )


def _ways_to_cut(plane: WorkingPlane) -> Iterator[tuple[Box, ...]]:
    """Yield the plane whole, then cut into ever more column stripes of whole shards."""
    shards = -(-plane.width // SHARD_WIDTH)
    for count in range(1, shards + 1):
        cuts = [min(plane.width, round(i * shards / count) * SHARD_WIDTH) for i in range(count + 1)]
        yield tuple(
            Box(0, left, plane.height, right - left) for left, right in itertools.pairwise(cuts)
        )


def _computed_pixels(grid: TileGrid, windows: tuple[Box, ...], *, whole: bool) -> int:
    """Return how many pixels go through the network if nothing is left out."""
    columns = [grid[column] for column in range(len(grid.columns))]
    visits = sum(
        (max(0, min(reach.right, window.right) - max(reach.x, window.x)) > 0)
        for window in windows
        for reach in ((tile.box if whole else tile.core) for tile in columns)
    )
    return visits * len(grid.rows) * grid.tile[0] * grid.tile[1]
