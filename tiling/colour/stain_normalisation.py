"""Stain normalisation: every slide as if it had been stained like a reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from wsiseg.errors import StainError
from wsiseg.tiling.colour import reinhard, stain_separation
from wsiseg.tiling.colour.density import density
from wsiseg.tiling.colour.recolouring import ColourStep
from wsiseg.tiling.colour.stain_sampling import sample_stained_colours
from wsiseg.tiling.slides.slide import Pixels, Slide

StainEstimate = stain_separation.Stains | reinhard.ColourStatistics
"""How a slide is stained, as one of the methods sees it."""

_ENOUGH = 500


@dataclass(frozen=True)
class Method:
    """One way of normalising.

    Attributes
    ----------
    estimate : callable
        Takes stained colours, uint8 ``(N, 3)``.
    kind : type
        What it finds.
    reference : Stains or ColourStatistics
        What it aims at unless something else is given.
    """

    estimate: Callable[[Pixels], StainEstimate]
    kind: type[StainEstimate]
    reference: StainEstimate


StainMethod = Literal["macenko", "reinhard", "vahadane"]

METHODS: Mapping[str, Method] = {
    "macenko": Method(
        lambda colours: stain_separation.macenko(density(colours)),
        stain_separation.Stains,
        stain_separation.REFERENCE,
    ),
    "reinhard": Method(reinhard.reinhard, reinhard.ColourStatistics, reinhard.REFERENCE),
    "vahadane": Method(
        lambda colours: stain_separation.vahadane(density(colours)),
        stain_separation.Stains,
        stain_separation.REFERENCE,
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
    source : Stains or ColourStatistics
        How the slide is stained.
    reference : Stains or ColourStatistics
        How it shall look, by the same method.
    """

    method: str
    source: StainEstimate
    reference: StainEstimate

    def change(self, colours: Pixels) -> Pixels:
        """Return other colours; see the base class."""
        match self.source, self.reference:
            case stain_separation.Stains() as source, stain_separation.Stains() as reference:
                return source.restain(colours, reference)
            case reinhard.ColourStatistics() as source, reinhard.ColourStatistics() as reference:
                return source.transfer(colours, reference)
        raise TypeError("source and reference are of different methods")

    def describe(self) -> dict[str, object]:
        """Return what the pixels depend on; see the base class."""
        return {
            "step": self.method,
            "slide": asdict(self.source),
            "reference": asdict(self.reference),
        }


def estimate_stains(slide: Slide, method: str, slide_mpp: float | None = None) -> StainEstimate:
    """Estimate how a slide is stained, from a sample of its stained pixels.

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
    stained = sample_stained_colours(slide, slide_mpp)
    if len(stained) < _ENOUGH:
        raise StainError(
            f"{len(stained)} of the pixels looked at are stained, which tells too little",
            slide.path,
            "Leave its stains as they are.",
        )
    estimate = METHODS[method].estimate(stained)
    if isinstance(estimate, stain_separation.Stains) and not estimate.are_two:
        raise StainError(
            "it is stained in one colour, not in two",
            slide.path,
            "Leave its stains as they are, or take reinhard.",
        )
    return estimate
