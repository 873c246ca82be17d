"""Stain normalisation: every slide as if it had been stained like a reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from wsiseg.errors import StainError
from wsiseg.tiling.colour import reinhard, separating
from wsiseg.tiling.colour.density import density
from wsiseg.tiling.colour.recolouring import ColourStep
from wsiseg.tiling.colour.sampling import stained_colours
from wsiseg.tiling.slides.slide import Pixels, Slide

Look = separating.Stains | reinhard.Spread
"""How a slide is stained, as one of the methods sees it."""

_ENOUGH = 500


@dataclass(frozen=True)
class Method:
    """One way of normalising.

    Attributes
    ----------
    find : callable
        Takes stained colours, uint8 ``(N, 3)``.
    kind : type
        What it finds.
    reference : Stains or Spread
        What it aims at unless something else is given.
    """

    find: Callable[[Pixels], Look]
    kind: type[Look]
    reference: Look


StainMethod = Literal["macenko", "reinhard", "vahadane"]

METHODS: Mapping[str, Method] = {
    "macenko": Method(
        lambda colours: separating.macenko(density(colours)),
        separating.Stains,
        separating.REFERENCE,
    ),
    "reinhard": Method(reinhard.reinhard, reinhard.Spread, reinhard.REFERENCE),
    "vahadane": Method(
        lambda colours: separating.vahadane(density(colours)),
        separating.Stains,
        separating.REFERENCE,
    ),
}
"""By name."""


@dataclass(frozen=True)
class StainStep(ColourStep):
    """Gives pixels the look of a reference.

    Parameters
    ----------
    method : str
        One of :data:`METHODS`.
    look : Stains or Spread
        How the slide is stained.
    reference : Stains or Spread
        How it shall look, by the same method.
    """

    method: str
    look: Look
    reference: Look

    def change(self, colours: Pixels) -> Pixels:
        """Return other colours; see the base class."""
        match self.look, self.reference:
            case separating.Stains() as look, separating.Stains() as reference:
                return look.restain(colours, reference)
            case reinhard.Spread() as look, reinhard.Spread() as reference:
                return look.transfer(colours, reference)
        raise TypeError("look and reference are of different methods")

    def describe(self) -> dict[str, object]:
        """Return what the pixels depend on; see the base class."""
        return {
            "step": self.method,
            "slide": asdict(self.look),
            "reference": asdict(self.reference),
        }


def find_look(slide: Slide, method: str, slide_mpp: float | None = None) -> Look:
    """Find out how a slide is stained; see :func:`stained_colours` for where it is looked at.

    Parameters
    ----------
    slide : Slide
        Open.
    method : str
        One of :data:`METHODS`.
    slide_mpp : float, optional
        µm per pixel of level 0, where the file states none or a wrong one.

    Raises
    ------
    StainError
        If too little of it is stained, or in one colour where two are parted.
    """
    stained = stained_colours(slide, slide_mpp)
    if len(stained) < _ENOUGH:
        raise StainError(
            f"{len(stained)} of the pixels looked at are stained, which tells too little",
            slide.path,
            "Leave its stains as they are.",
        )
    look = METHODS[method].find(stained)
    if isinstance(look, separating.Stains) and not look.are_two:
        raise StainError(
            "it is stained in one colour, not in two",
            slide.path,
            "Leave its stains as they are, or take reinhard.",
        )
    return look
