"""``wsiseg info``: size, resolution, levels and readers of slides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wsiseg.cli.options import AsJson, Debug, Quiet, ReaderName
from wsiseg.cli.printing import Json, begin_json, echo, echo_error, print_json
from wsiseg.cli.telling_errors import describe_error
from wsiseg.errors import SlideError

if TYPE_CHECKING:
    from wsiseg.tiling.slides import Slide, SlideFacts

_QUICK = 2**24
"""Pixels of a level that is small enough to be read at once."""


def info(
    slides: Annotated[
        list[Path],
        typer.Argument(
            metavar="SLIDE",
            help="Slides or pictures: files, folders in DICOM or Zarr, URLs.",
            show_default=False,
        ),
    ],
    reader: ReaderName = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show a slide's levels, resolution and vendor, and which readers open it."""
    if len(slides) == 1:
        content, lines = _look_at(slides[0], reader)
        if as_json:
            print_json(content)
        else:
            echo(*lines)
        return
    entries: list[Json] = []
    begin_json({"slides": entries})
    for number, slide in enumerate(slides):
        try:
            content, lines = _look_at(slide, reader)
        except SlideError as error:
            content, lines = _failure(slide, error), []
        entries.append(content)
        if not as_json and lines:
            echo(*([""] if number else []), f"{'slide':12}{content['slide']}", *lines)
    if as_json:
        print_json({"slides": entries})
    if any("error" in entry for entry in entries):
        raise typer.Exit(1)


def _failure(slide: Path, error: SlideError) -> Json:
    """Print why a slide cannot be looked at, and return it for JSON."""
    from wsiseg.tiling.slides import url_or_path

    described = describe_error(error, 1)
    echo_error(f"error: {described.line}")
    return {"slide": url_or_path(slide), "error": described.content}


def _look_at(slide: Path, reader: str | None) -> tuple[Json, list[str]]:
    """Return what there is to know about a slide: for JSON, and as lines."""
    from wsiseg.tiling.colour import profile_name
    from wsiseg.tiling.slides import open_slide, probe_readers, url_or_path

    with open_slide(slide, reader) as opened:
        facts, (full, *_) = opened.facts, opened.levels
        pixel = facts.file_pixel_size
        content: Json = {
            "slide": url_or_path(slide),
            "width": full.width,
            "height": full.height,
            "mpp": facts.mpp,
            "mpp_source": facts.mpp_source,
            "file_pixel": None if pixel is None else [pixel.height, pixel.width],
            "vendor": facts.vendor,
            "reader": opened.reader,
            "readers": [
                {
                    "reader": each.reader,
                    "takes": each.takes,
                    "chosen": each.reader == opened.reader,
                    "why": each.why,
                }
                for each in probe_readers(slide)
            ],
            "tile": None if facts.tile_shape is None else list(facts.tile_shape),
            "compression": facts.compression,
            "bounds": None
            if facts.bounds is None
            else [facts.bounds.y, facts.bounds.x, facts.bounds.height, facts.bounds.width],
            "icc_profile": None if facts.icc_profile is None else profile_name(facts.icc_profile),
            "associated_images": list(facts.associated),
            "warnings": [*facts.warnings, *_lighting(opened)],
            "levels": [
                {"width": level.width, "height": level.height, "downsample": level.downsample}
                for level in opened.levels
            ],
        }
    return content, _as_text(content, facts)


def _lighting(slide: Slide) -> tuple[str, ...]:
    """Return a warning if a slide is dark field, if it has a level that is quick to read."""
    from wsiseg.segmentation.suitability import DARK_FIELD
    from wsiseg.tiling.dark_field import is_dark_field
    from wsiseg.tiling.tissue import read_overview

    if slide.levels[-1].box.area > _QUICK or not is_dark_field(read_overview(slide)[0]):
        return ()
    return (f"{DARK_FIELD}; segment wants --force",)


def _as_text(content: dict[str, Any], facts: SlideFacts) -> list[str]:
    tile, bounds = content["tile"], content["bounds"]
    lines = {
        "size": f"{content['width']} × {content['height']} pixels",
        "resolution": _resolution(facts),
        "vendor": content["vendor"],
        "tiles": "none" if tile is None else f"{tile[1]} × {tile[0]}",
        "compression": content["compression"] or "not stated",
        "colours": content["icc_profile"] or "no ICC profile",
        "scanned": "all of it"
        if bounds is None
        else f"{bounds[3]} × {bounds[2]} from x={bounds[1]}, y={bounds[0]}",
        "associated": ", ".join(content["associated_images"]) or "none",
    }
    text = [f"{name:12}{value}" for name, value in lines.items()]
    for each in content["readers"]:
        chosen = " (chosen)" * each["chosen"]
        text.append(f"{'reader':12}{each['reader']}{chosen}: {each['why']}")
    for index, level in enumerate(content["levels"]):
        size = f"{level['width']} × {level['height']}"
        text.append(f"level {index:<6}{size:18} 1/{level['downsample']:g}")
    text += [f"{'warning':12}{warning}" for warning in content["warnings"]]
    return text


def _resolution(facts: SlideFacts) -> str:
    from wsiseg.tiling.slides.pixel_size import SANE_MPP

    size, stated = facts.pixel_size, facts.file_pixel_size
    if size is None or stated is None:
        return "not stated"
    doubt = "" if size.is_sane else f", not believed: outside {SANE_MPP[0]:g} to {SANE_MPP[1]:g}"
    odd = "" if stated.is_square else f", the file's pixels have {stated.text}"
    return f"{size.mpp:g} µm/px ({size.source}){doubt}{odd}"
