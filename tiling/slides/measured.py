"""Slides whose µm per pixel the user gives, where the file states none or a wrong one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Self

from wsiseg.errors import ResolutionError
from wsiseg.tiling.slides.pixel_size import SANE_MPP, PixelSize, is_sane, mpp_differs
from wsiseg.tiling.slides.slide import Slide
from wsiseg.tiling.slides.square_pixels import with_stored_pixels
from wsiseg.tiling.slides.wrapped import WrappedSlide

_GIVEN = "given by the user"


class MeasuredSlide(WrappedSlide):
    """A slide with the µm per pixel that the user gave.

    Parameters
    ----------
    slide : Slide
        Open, with the pixels as its file stores them.
    mpp : float
        µm per pixel of level 0; one number, so its pixels are square.

    overrides : bool
        Whether the file states another value.
    """

    def __init__(self, slide: Slide, mpp: float, *, overrides: bool) -> None:
        super().__init__(slide)
        self.mpp_given, self.overrides = mpp, overrides
        stated, notes = slide.facts.pixel_size, slide.facts.warnings
        if overrides and stated is not None:
            note = (
                f"the slide states pixels of {stated.text} ({stated.source}); "
                f"{mpp:g} µm are taken, as `override_mpp` says"
            )
            notes = (*notes, note)
        self.facts = replace(slide.facts, pixel_size=PixelSize(mpp, mpp, _GIVEN), warnings=notes)

    def __reduce__(self) -> tuple[partial[Self], tuple[Slide, float]]:  # type: ignore[override]
        return partial(type(self), overrides=self.overrides), (self.slide, self.mpp_given)


def with_slide_mpp(slide: Slide, slide_mpp: float, *, override: bool = False) -> Slide:
    """Return a slide with the µm per pixel that the user gave.

    Parameters
    ----------
    slide : Slide
        Open.
    slide_mpp : float
        µm per pixel of level 0.
    override : bool
        Whether it counts where the file states another value, too.

    Returns
    -------
    Slide
        The slide itself where the file states the same, but for rounding.

    Raises
    ------
    ResolutionError
        If the file states another value and is not to be overruled, or `slide_mpp` is outside 0.05
        to 20 µm per pixel.
    """
    if not is_sane(slide_mpp):
        raise ResolutionError(
            f"{slide_mpp:g} µm per pixel is outside {SANE_MPP[0]:g} to {SANE_MPP[1]:g}",
            "`slide_mpp`",
        )
    stored = with_stored_pixels(slide)
    believed, stated = slide.facts.pixel_size, stored.facts.pixel_size
    if believed is None or stated is None or not (believed.is_sane and believed.is_square):
        return MeasuredSlide(stored, slide_mpp, overrides=False)
    if override:
        same = stated.is_square and stated.mpp == slide_mpp
        return slide if same else MeasuredSlide(stored, slide_mpp, overrides=True)
    if not stated.is_square or mpp_differs(stated.mpp, slide_mpp):
        raise ResolutionError(
            f"the slide states pixels of {stated.text} ({stated.source}), not {slide_mpp:g} µm",
            slide.path,
            "Leave `slide_mpp` out, or overrule the slide with `override_mpp` besides.",
        )
    return slide
