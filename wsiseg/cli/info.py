"""``wsiseg info``: what a slide says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wsiseg.cli.options import AsJson, Debug, Quiet, print_json


def info(
    slide: Annotated[Path, typer.Argument(help="A slide or picture.", show_default=False)],
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show levels, resolution, reader and vendor of a slide."""
    from wsiseg.tiling.slides import open_slide

    with open_slide(slide) as opened:
        facts, (full, *_) = opened.facts, opened.levels
        content: dict[str, object] = {
            "slide": str(slide),
            "width": full.width,
            "height": full.height,
            "mpp": facts.mpp,
            "mpp_source": facts.mpp_source,
            "vendor": facts.vendor,
            "reader": opened.reader,
            "tile": None if facts.tile_shape is None else list(facts.tile_shape),
            "compression": facts.compression,
            "bounds": None
            if facts.bounds is None
            else [facts.bounds.y, facts.bounds.x, facts.bounds.height, facts.bounds.width],
            "associated_images": list(facts.associated),
            "levels": [
                {"width": level.width, "height": level.height, "downsample": level.downsample}
                for level in opened.levels
            ],
        }
    if as_json:
        print_json(content)
    else:
        print(_as_text(content))


def _as_text(content: dict[str, object]) -> str:
    mpp = content["mpp"]
    resolution = "not stated" if mpp is None else f"{mpp:g} µm/px ({content['mpp_source']})"
    tile = content["tile"]
    lines = {
        "size": f"{content['width']} × {content['height']} pixels",
        "resolution": resolution,
        "vendor": content["vendor"],
        "reader": content["reader"],
        "tiles": "none" if not isinstance(tile, list) else f"{tile[1]} × {tile[0]}",
        "compression": content["compression"] or "not stated",
        "associated": ", ".join(content["associated_images"]) or "none",  # type: ignore[arg-type]
    }
    text = [f"{name:12}{value}" for name, value in lines.items()]
    levels: list[dict[str, float]] = content["levels"]  # type: ignore[assignment]
    for index, level in enumerate(levels):
        size = f"{level['width']} × {level['height']}"
        text.append(f"level {index:<6}{size:18} 1/{level['downsample']:g}")
    return "\n".join(text)
