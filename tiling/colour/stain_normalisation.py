"""Stain normalisation: a slide's colours as if it had been stained like a reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from wsiseg.errors import StainError
from wsiseg.tiling.colour import reinhard, stain_separation
from wsiseg.tiling.colour.density import density
from wsiseg.tiling.colour.recolouring import ColourStep
from wsiseg.tiling.colour.stain_sampling import sample_stained_colours
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.slides.slide import Slide

StainEstimate = stain_separation.Stains | reinhard.ColourStatistics
"""How a slide is stained, as one of the methods sees it."""

_ENOUGH = 500


@dataclass(frozen=True)
class Method:
    """One method of stain normalisation.

    Attributes
    ----------
    estimate : callable
        Takes stained colours, uint8 ``(N, 3)``, and returns how they are stained.
    kind : type
        Type of that result.
    reference : Stains or ColourStatistics
        Reference that slides are normalised to, unless another is given.
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
    """Normalises pixels from the stains of a slide to those of a reference.

    Parameters
    ----------
    method : str
        One of :data:`METHODS`.
    source : Stains or ColourStatistics
        How the slide is stained.
    reference : Stains or ColourStatistics
        How it shall be stained, estimated by the same method.
    """

    method: str
    source: StainEstimate
    reference: StainEstimate

    def change(self, colours: Pixels) -> Pixels:
        """Return normalised colours; see :meth:`ColourStep.change`."""
        match self.source, self.reference:
            case stain_separation.Stains() as source, stain_separation.Stains() as reference:
                return source.restain(colours, reference)
            case reinhard.ColourStatistics() as source, reinhard.ColourStatistics() as reference:
                return source.transfer(colours, reference)
        raise TypeError("source and reference are of different methods")

    def describe(self) -> dict[str, object]:
        """Return method, stains and reference; see :meth:`ColourStep.describe`."""
        return {
            "step": self.method,
            "slide": asdict(self.source),
            "reference": asdict(self.reference),
        }


def estimate_stains(slide: Slide, method: str) -> StainEstimate:
    """Estimate how a slide is stained, from a sample of its stained pixels.

    Parameters
    ----------
    slide : Slide
        Open.
    method : str
        One of :data:`METHODS`.

    Returns
    -------
    Stains or ColourStatistics
        By the method.

    Raises
    ------
    StainError
        If too few pixels are stained, or in one colour where the method separates two.
    """
    stained = sample_stained_colours(slide)
    if len(stained) < _ENOUGH:
        raise StainError(
            f"{len(stained)} of the pixels looked at are stained, too few to measure stains",
            slide.path,
            "Leave its stains as they are.",
        )
    estimate = METHODS[method].estimate(stained)
    if isinstance(estimate, stain_separation.Stains) and not estimate.are_two:
        raise StainError(
            "it is stained in one colour, not in two",
            slide.path,
            "Leave its stains as they are, or use reinhard.",
        )
    return estimate
