"""The plan of labelling a part of a slide: of several sizes of tile the cheapest."""

from __future__ import annotations

from wsiseg.errors import ArgumentError
from wsiseg.models.runtimes import Predictor
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import Plan, choose_plane, make_plan
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import TileGrid
from wsiseg.viewer.layers.frame import working_box
from wsiseg.viewer.layers.layer_data import SlideView
from wsiseg.viewer.layers.region import RegionView

LARGEST_PART = 4096
"""Edge of what is labelled in memory, in working pixels, at most."""

PART_TILES = (1024, 768, 512)
"""Edges of its tiles; smaller ones would be little but halo, and a slide has a great many."""


def plan_part(
    view: SlideView, slide_box: Box, predictor: Predictor, options: SegmentOptions
) -> tuple[Plan, RegionView]:
    """Return the plan for a part of a slide, and the part.

    Parameters
    ----------
    view : SlideView
        The slide.
    slide_box : Box
        The part, in pixels of level 0.
    predictor : Predictor
        What labels it.
    options : SegmentOptions
        How; the resolution is settled, and what says where to look does not count.

    Returns
    -------
    Plan, RegionView
        The plan for the whole plane, and the part in working pixels.

    Raises
    ------
    ArgumentError
        If it is too large.
    """
    slide = view.slide
    plane = choose_plane(slide, predictor.checkpoint, options)
    box = working_box(slide_box, plane)
    if max(box.shape) > LARGEST_PART:
        raise ArgumentError(
            f"{box.width}×{box.height} working pixels are too many at once",
            None,
            f"At most {LARGEST_PART}×{LARGEST_PART}: zoom in, draw less, or choose Whole slide.",
        )
    edges = PART_TILES if options.tile is None else (options.tile,)
    plans = [
        make_plan(slide, predictor, options.replace(tile=edge), plane, _Part(box, options, edge))
        for edge in edges
    ]
    plan = min(plans, key=lambda each: _computed_pixels(each.grid, box))
    classes = dict(enumerate(predictor.checkpoint.classes))
    return plan, RegionView(view, plane, box, classes)


class _Part:
    """A box of the plane, and as much around it as tiles that are blended reach."""

    def __init__(self, box: Box, options: SegmentOptions, tile: int) -> None:
        reach = 0 if options.blend == "crop" else tile
        self._box = box.grown(reach)

    def touches(self, box: Box) -> bool:
        return bool(box.intersection(self._box).area)


def _computed_pixels(grid: TileGrid, box: Box) -> int:
    """Return how many pixels the tiles have whose cores meet a box."""
    columns = len(grid.columns)
    across = [grid[column].core for column in range(columns)]
    down = [grid[row * columns].core for row in range(len(grid.rows))]
    met_across = sum(core.x < box.right and core.right > box.x for core in across)
    met_down = sum(core.y < box.bottom and core.bottom > box.y for core in down)
    return met_across * met_down * grid.tile[0] * grid.tile[1]
