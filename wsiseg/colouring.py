"""A slide in the colours in which the network is to see it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from wsiseg.errors import StainError
from wsiseg.store.disk import Json, translated, write_whole
from wsiseg.tiling.colour import (
    METHODS,
    Colours,
    ColourStep,
    Look,
    ProfileStep,
    RecolouredSlide,
    StainStep,
    find_look,
)
from wsiseg.tiling.slides import Slide, open_slide

_found: dict[tuple[str, Colours], tuple[ColourStep, ...]] = {}
"""What was found out about slides, which are opened again and again where networks learn."""


def recolour(slide: Slide, colours: Colours, warn: Callable[[str], None]) -> Slide:
    """Return a slide as it looks after what was asked for; the slide itself if that is nothing.

    Parameters
    ----------
    slide : Slide
        Open.
    colours : Colours
        What is asked for.
    warn : callable
        Told if there is no profile.

    Raises
    ------
    StainError
        If too little of the slide is stained, or the reference cannot be used.
    DamagedSlideError
        If the profile cannot be used.
    """
    if colours.icc and slide.facts.icc_profile is None:
        warn("the slide has no ICC profile; its colours are taken as they are")
    if not (colours.icc or colours.stain):
        return slide
    key = json.dumps(slide.fingerprint()), colours
    if key not in _found:
        _found[key] = tuple(_find_steps(slide, colours))
    return RecolouredSlide(slide, _found[key]) if _found[key] else slide


def _find_steps(slide: Slide, colours: Colours) -> Iterator[ColourStep]:
    if colours.icc and slide.facts.icc_profile is not None:
        step = ProfileStep(slide.facts.icc_profile, slide.path)
        slide = RecolouredSlide(slide, (step,))
        yield step
    if colours.stain is not None:
        target = METHODS[colours.stain].reference
        if colours.reference is not None:
            target = read_reference(colours.reference, colours.stain)
        yield StainStep(colours.stain, find_look(slide, colours.stain), target)


def describe_colours(slide: Slide) -> list[Json] | None:
    """Return what was done to a slide's colours, as plain values; None if nothing was."""
    if not isinstance(slide, RecolouredSlide):
        return None
    return [step.describe() for step in slide.steps]


def save_reference(path: Path, method: str, look: Look) -> None:
    """Write how a slide is stained, as a reference for others.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_whole(path, json.dumps({"method": method, **asdict(look)}, indent=2) + "\n")


def read_reference(path: Path, method: str) -> Look:
    """Return how a reference is stained; of a slide or picture it is found out.

    Raises
    ------
    StainError
        If a file of another method, or of something else, is given, or too little is stained.
    SlideError
        If it is no file of ours and cannot be opened as a slide.
    """
    if path.suffix.lower() != ".json":
        with open_slide(path) as slide:
            return find_look(slide, method)
    with translated(path):
        text = path.read_text(encoding="utf-8")
    try:
        content: Any = json.loads(text)
        made_by = content["method"]
        found = TypeAdapter(METHODS[made_by].kind).validate_python(content)
    except (ValueError, LookupError, TypeError) as error:
        raise StainError(
            "this is no reference of stains", path, "Make one by wsiseg stain, or name a slide."
        ) from error
    if made_by != method:
        raise StainError(
            f"the reference is of {made_by}, not of {method}", path, f"Use --stain {made_by}."
        )
    return found
