"""The plan of a run, made before it begins: resolution, tiles, memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.runtimes import Predictor
from wsiseg.refining.refinement import Refinement, plan_refinement
from wsiseg.segmentation.colouring import find_colour_steps, warn_of_colour_mismatch
from wsiseg.segmentation.covering import LARGEST_TILES, find_cover
from wsiseg.segmentation.memory import NEXT_SLIDE_BYTES, MemoryCosts, MemoryNeed
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.suitability import check_lighting, check_resolution
from wsiseg.segmentation.target import choose_blocks, choose_plane, find_area, lay_blocks
from wsiseg.tiling.blocks import Blocks
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.colour import ColourStep
from wsiseg.tiling.covering import Cover
from wsiseg.tiling.grid import Tile
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.tissue import ProgressCallback, TissueMask, no_progress, read_overview

if TYPE_CHECKING:
    from wsiseg.tiling.regions import Regions


@dataclass(frozen=True)
class Plan:
    """A run on one slide.

    Attributes
    ----------
    plane : WorkingPlane
        The working resolution and how it is read.
    blocks : Blocks
        What is analysed.
    cover : Cover
        The tiles that go through the network.
    tissue : TissueMask or None
        Where tissue is, if that says what is analysed.
    regions : Regions or None
        What the user drew, if anything; outside it no pixel is analysed.
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
    blocks: Blocks
    cover: Cover
    tissue: TissueMask | None
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

    def only(self, wanted: Callable[[Tile], bool]) -> Self:
        """Return the plan with some of its tiles."""
        tiles = tuple(tile for tile in self.cover.tiles if wanted(tile))
        return replace(self, cover=replace(self.cover, tiles=tiles))

    @property
    def computed_pixels(self) -> int:
        """Pixels that go through the network, in all orientations."""
        return self.cover.pixels * self.orientations

    @property
    def wanted_pixels(self) -> int:
        """Pixels of tissue, or where that is not what decides, those that are analysed."""
        if self.tissue is None or self.regions is not None:
            return self.blocks.area
        return self.tissue.pixels


def make_plan(
    slide: Slide,
    predictor: Predictor,
    options: SegmentOptions,
    plane: WorkingPlane | None = None,
    *,
    tissue: TissueMask | None = None,
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
    tissue : TissueMask, optional
        Where tissue is, if that is known already.
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
    regions, notes = _find_regions(slide, plane, options)
    # Beside a GPU all cores are free to decode.
    readers = options.readers or min(4 if choice.device == "cpu" else 16, max(1, choice.threads))
    edge = options.tile or LARGEST_TILES[0]
    batch = options.batch or predictor.largest_batch((edge, edge))
    orientations = predictor.orientations(tta=options.tta)
    costs = MemoryCosts(
        cache_bytes=slide.cache_bytes,
        bytes_per_pixel=predictor.host_bytes_per_pixel,
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
    tissue = tissue or find_area(slide, plane, options, searched)
    areas = [area for area in (tissue, regions) if area is not None]
    multiple = checkpoint.input_multiple
    blocks = choose_blocks(slide, plane, lay_blocks(plane, multiple), areas)
    cover, windows = find_cover(plane, blocks, predictor, options, costs)
    said = _off_tissue(slide, tissue, regions)
    warn_of_colour_mismatch(checkpoint.card.training, options.colours, said.append)
    steps = find_colour_steps(slide, options.colours, said.append)
    return Plan(
        plane=plane,
        blocks=blocks,
        cover=cover,
        tissue=tissue,
        regions=regions,
        windows=windows,
        batch=batch,
        readers=readers,
        ahead=costs.ahead,
        memory=_with_next(costs.need(cover.shapes, windows), options.memory, prefetch=prefetch),
        classes=costs.classes,
        orientations=len(orientations),
        colour_steps=steps,
        refinement=refinement,
        warnings=(
            *predictor.notes,
            *slide.facts.warnings,
            *doubts,
            *(tissue.notes if tissue is not None else ()),
            *_assumptions(plane, len(windows), multiple, checkpoint, options),
            *notes,
            *said,
            *refinement.warnings,
        ),
    )


def _find_regions(
    slide: Slide, plane: WorkingPlane, options: SegmentOptions
) -> tuple[Regions | None, tuple[str, ...]]:
    """Return what the user drew, and what to say of it."""
    if options.roi is None:
        return None, ()
    from wsiseg.annotations import read_regions

    return read_regions(options.roi, slide, plane)


def _off_tissue(slide: Slide, tissue: TissueMask | None, regions: Regions | None) -> list[str]:
    """Return what to say of regions that lie beside the tissue, as those of another slide do."""
    if tissue is None or regions is None:
        return []
    from wsiseg.annotations.off_tissue import describe_off_tissue

    return list(describe_off_tissue(regions.drawn, slide, tissue, "region"))


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


def _assumptions(
    plane: WorkingPlane,
    windows: int,
    multiple: int,
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
        if value is not None and value % multiple:
            found.append(f"`{name}={value}` is rounded up to a multiple of {multiple}")
    if windows > 1:
        found.append(f"the memory budget cuts the slide into {windows} column stripes")
    return tuple(found)
