"""Colours as the network sees them: ICC profiles and stain normalisation of a slide."""

from __future__ import annotations

import functools
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from wsiseg.errors import DamagedSlideError, StainError
from wsiseg.remote.addresses import is_remote
from wsiseg.store.disk import write_atomically
from wsiseg.tiling.colour import (
    METHODS,
    ColourOptions,
    ColourStep,
    ProfileStep,
    RecolouredSlide,
    StainEstimate,
    StainStep,
    estimate_stains,
)
from wsiseg.tiling.slides import Slide, open_slide
from wsiseg.tiling.slides.fingerprint import fingerprint

_CACHED_SLIDES, _CACHED_REFERENCES = 256, 16
_cache: OrderedDict[str, tuple[ColourStep, ...]] = OrderedDict()
"""The colour steps of slides seen before: training opens the same slides again and again."""


def recolour(
    slide: Slide,
    colours: ColourOptions,
    warn: Callable[[str], None],
) -> Slide:
    """Return a slide whose pixels have their colours changed as asked for.

    Parameters
    ----------
    slide : Slide
        Open.
    colours : ColourOptions
        What is asked for; if nothing, the slide itself is returned.
    warn : callable
        Called with a sentence if the slide has no ICC profile.

    Raises
    ------
    StainError, DamagedSlideError
        As :func:`find_colour_steps`.
    """
    return apply_colour_steps(slide, find_colour_steps(slide, colours, warn))


def apply_colour_steps(slide: Slide, steps: tuple[ColourStep, ...]) -> Slide:
    """Return a slide whose pixels pass through colour steps.

    Parameters
    ----------
    slide : Slide
        Open.
    steps : tuple of ColourStep
        From :func:`find_colour_steps`; if there are none, the slide itself is returned.
    """
    return RecolouredSlide(slide, steps) if steps else slide


def find_colour_steps(
    slide: Slide,
    colours: ColourOptions,
    warn: Callable[[str], None],
) -> tuple[ColourStep, ...]:
    """Return the colour steps for a slide: its ICC profile, and its stains if asked for.

    Parameters
    ----------
    slide : Slide
        Open.
    colours : ColourOptions
        What is asked for.
    warn : callable
        Called with a sentence if the slide has no ICC profile.

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
        return ()
    reference = None if colours.reference is None else _fingerprint(colours.reference)
    seen_as = [slide.reader, slide.fingerprint(), slide.facts.stretch]
    key = json.dumps([*seen_as, str(colours), reference])
    if key not in _cache:
        _cache[key] = tuple(_find_steps(slide, colours))
        while len(_cache) > _CACHED_SLIDES:
            _cache.popitem(last=False)
    return _cache[key]


def _find_steps(slide: Slide, colours: ColourOptions) -> Iterator[ColourStep]:
    if colours.icc and slide.facts.icc_profile is not None:
        step = ProfileStep(slide.facts.icc_profile, slide.path)
        slide = RecolouredSlide(slide, (step,))
        yield step
    if colours.stain is not None:
        target = METHODS[colours.stain].reference
        if colours.reference is not None:
            target = read_reference(colours.reference, colours.stain, icc=colours.icc)
        yield StainStep(colours.stain, estimate_stains(slide, colours.stain), target)


def warn_of_colour_mismatch(
    training: Mapping[str, object], colours: ColourOptions, warn: Callable[[str], None]
) -> None:
    """Warn if a network was trained on other colours than it is about to see.

    Parameters
    ----------
    training : mapping
        `training` of the checkpoint's card, with ``icc`` and ``stain``.
    colours : ColourOptions
        What is asked for.
    warn : callable
        Called with a sentence.
    """
    learnt = bool(training.get("icc")), training.get("stain")
    # Colours as they are may be those of one laboratory, which others are made alike on purpose.
    if learnt not in ((False, None), (colours.icc, colours.stain)):
        warn(
            f"the network was trained on colours {_in_words(*learnt)}, "
            f"and sees them {_in_words(colours.icc, colours.stain)}"
        )


def _in_words(icc: bool, stain: object) -> str:
    steps = ["by their ICC profile"] * icc + [f"normalised by {stain}"] * (stain is not None)
    return " and ".join(steps) or "as they are"


def save_reference(path: Path, method: str, look: StainEstimate, *, icc: bool = False) -> None:
    """Write how a slide is stained, as a reference for others.

    Parameters
    ----------
    path : Path
        A ``.json`` file.
    method : str
        The method that found the stains.
    look : Stains or ColourStatistics
        The stains that it found.
    icc : bool
        Whether the slide's colours were turned into sRGB before.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    content = {"method": method, "icc": icc, **asdict(look)}
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def check_reference(colours: ColourOptions) -> None:
    """Read the reference that is asked for, so that a wrong one is refused before any work.

    Raises
    ------
    StainError, SlideError
        See :func:`read_reference`.
    """
    if colours.reference is not None and colours.stain is not None:
        read_reference(colours.reference, colours.stain, icc=colours.icc)


def read_reference(path: Path, method: str, *, icc: bool = False) -> StainEstimate:
    """Return the stains of a reference; those of a slide are computed once per process.

    Parameters
    ----------
    path : Path
        A ``.json`` file of ``wsiseg stain``, a slide or a picture.
    method : str
        The method by which stains are normalised.
    icc : bool
        Whether colours are turned into sRGB by the ICC profile before.

    Returns
    -------
    Stains or ColourStatistics
        As the method describes them.

    Raises
    ------
    StainError
        If the file is of another method or is no reference, or too little of it is stained.
    SlideError
        If it is no ``.json`` file and cannot be opened as a slide.
    """
    return _read_reference(path, method, icc, _fingerprint(path))


@functools.lru_cache(_CACHED_REFERENCES)
def _read_reference(path: Path, method: str, icc: bool, _content: str) -> StainEstimate:
    if path.suffix.lower() != ".json":
        with open_slide(path) as slide:
            return estimate_stains(recolour(slide, ColourOptions(icc=icc), _unheard), method)
    try:
        stated: Any = json.loads(path.read_text(encoding="utf-8"))
        made_by, with_icc = stated["method"], stated["icc"]
        found = TypeAdapter(METHODS[made_by].kind).validate_python(stated)
    except OSError as error:
        raise StainError(f"the reference cannot be read: {error.strerror}", path) from error
    except Exception as error:
        raise StainError(
            "not a stain reference", path, "Make one by wsiseg stain, or name a slide."
        ) from error
    if made_by != method:
        raise StainError(f"the reference is of {made_by}, not of {method}", path, f"Use {made_by}.")
    if with_icc != icc:
        done = "with" if with_icc else "without"
        raise StainError(
            f"the reference was made {done} `icc`", path, "Do the same here, or make it again."
        )
    return found


def _fingerprint(path: Path) -> str:
    if path.is_dir() or is_remote(path):
        with open_slide(path) as slide:
            return json.dumps(slide.fingerprint())
    try:
        return json.dumps(fingerprint(path))
    except DamagedSlideError as error:
        raise StainError(f"the reference cannot be used: {error.what}", path) from error


def _unheard(_: str) -> None:
    """Do nothing: a reference may have no profile."""
