"""The plan of labelling a part of a slide: of several sizes of tile the cheapest."""

from __future__ import annotations

from dataclasses import replace

from wsiseg.errors import ArgumentError
from wsiseg.models.runtimes import Predictor
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import Plan, make_plan
from wsiseg.segmentation.suitability import check_resolution
from wsiseg.segmentation.target import choose_plane
from wsiseg.tiling.boxes import Box
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
    FarResolutionError
        If the resolution is far from the checkpoint's, unless `force` is set.
    """
    slide = view.slide
    plane = choose_plane(slide, predictor.checkpoint, options)
    doubts = check_resolution(slide, plane, predictor.checkpoint, force=options.force)
    box = working_box(slide_box, plane)
    if max(box.shape) > LARGEST_PART:
        raise ArgumentError(
            f"the area has {box.width}×{box.height} pixels, too many to segment at once",
            None,
            f"At most {LARGEST_PART}×{LARGEST_PART}: zoom in, draw less, or choose Whole slide.",
        )
    edges = PART_TILES if options.tile is None else (options.tile,)
    whole = options.replace(tissue="none", roi=None)
    plans = [
        _only_part(make_plan(slide, predictor, whole.replace(tile=edge), plane), box, options)
        for edge in edges
    ]
    plan = min(plans, key=lambda each: each.cover.pixels)
    classes = dict(enumerate(predictor.checkpoint.classes))
    plan = replace(plan, warnings=(*doubts, *plan.warnings))
    return plan, RegionView(view, plane, box, classes)


def _only_part(plan: Plan, box: Box, options: SegmentOptions) -> Plan:
    """Return a plan with the tiles for a part, and those around that are blended with them."""
    whole = options.blend != "crop"
    return plan.only(lambda tile: bool((tile.box if whole else tile.core).intersection(box).area))
