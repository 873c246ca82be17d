"""The working plane: at which resolution a network sees a slide, in µm per pixel (mpp)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from wsiseg.errors import ResolutionError
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.pixel_size import SANE_MPP, is_sane
from wsiseg.tiling.slides.slide import Slide

_NOISE = 1e-6
"""Pixels of tolerance: one scale computed in two ways must give planes of one size."""


@dataclass(frozen=True)
class WorkingPlane:
    """The pixels that the network sees: one pyramid level of a slide, resampled if need be.

    Attributes
    ----------
    height, width : int
        Size in working pixels.
    level : int
        The level that is read: the coarsest one that is as fine as the working pixels or finer.
    level_scale : float
        Pixels of that level along one working pixel; 1 means that nothing is resampled.
    slide_scale : float
        Pixels of level 0 along one working pixel.
    mpp : float or None
        µm per working pixel.
    """

    height: int
    width: int
    level: int
    level_scale: float
    slide_scale: float
    mpp: float | None

    @property
    def box(self) -> Box:
        """All of it."""
        return Box(0, 0, self.height, self.width)

    @property
    def resampled(self) -> bool:
        """Whether working pixels differ from the level's."""
        return self.level_scale != 1.0


def plane_at_level(slide: Slide, level: int) -> WorkingPlane:
    """Return the plane of a pyramid level as it is, without resampling.

    Parameters
    ----------
    slide : Slide
        Open.
    level : int
        Index into `slide.levels`.

    Returns
    -------
    WorkingPlane
        Its `mpp` is None if the slide has no resolution.

    Raises
    ------
    ResolutionError
        If the slide has no such level.
    """
    if not 0 <= level < len(slide.levels):
        raise ResolutionError(
            f"the slide has no level {level}", slide.path, f"It has 0 to {len(slide.levels) - 1}."
        )
    chosen = slide.levels[level]
    full = _stated(slide)
    return WorkingPlane(
        height=chosen.height,
        width=chosen.width,
        level=level,
        level_scale=1.0,
        slide_scale=chosen.downsample,
        mpp=None if full is None else full * chosen.downsample,
    )


def plane_at_mpp(slide: Slide, mpp: float) -> WorkingPlane:
    """Return the plane at exactly `mpp`, resampled from the next finer level.

    Parameters
    ----------
    slide : Slide
        Open.
    mpp : float
        Wanted µm per working pixel.

    Returns
    -------
    WorkingPlane
        A level as it is where resampling would shift no pixel by half its size.

    Raises
    ------
    ResolutionError
        If a resolution is missing or outside 0.05 to 20 µm per pixel.
    """
    _check(mpp, "mpp")
    return _plane(slide, mpp / level0_mpp(slide), mpp)


def plane_at_scale(slide: Slide, scale: float) -> WorkingPlane:
    """Return the plane at `scale` times the size of level 0, whatever its resolution.

    Parameters
    ----------
    slide : Slide
        Open.
    scale : float
        0.5 halves height and width.

    Returns
    -------
    WorkingPlane
        Its `mpp` is None if the slide has no resolution.

    Raises
    ------
    ResolutionError
        If the scale is not between 0.0001 and 10,000.
    """
    if not (math.isfinite(scale) and 1e-4 <= scale <= 1e4):
        raise ResolutionError(f"a scale of {scale:g} is invalid", "`scale`")
    full = _stated(slide)
    return _plane(slide, 1 / scale, None if full is None else full / scale)


def _whole(length: float) -> int:
    """Round half up, with tolerance for floating-point noise just below a half."""
    return max(1, math.floor(length + 0.5 + _NOISE))


def _plane(slide: Slide, slide_scale: float, mpp: float | None) -> WorkingPlane:
    """Return the plane whose pixels are `slide_scale` pixels of level 0 along, `mpp` µm each."""
    finer = [i for i, level in enumerate(slide.levels) if level.downsample <= slide_scale * 1.0001]
    level = max(finer, key=lambda i: slide.levels[i].downsample, default=0)
    chosen = slide.levels[level]
    level_scale = slide_scale / chosen.downsample
    # Below half a pixel of drift across the whole level there is nothing to resample.
    if abs(level_scale - 1) * max(chosen.height, chosen.width) < 0.5:
        return plane_at_level(slide, level)
    return WorkingPlane(
        height=_whole(chosen.height / level_scale),
        width=_whole(chosen.width / level_scale),
        level=level,
        level_scale=level_scale,
        slide_scale=slide_scale,
        mpp=mpp,
    )


def level0_mpp(slide: Slide) -> float:
    """Return µm per pixel of level 0.

    Parameters
    ----------
    slide : Slide
        Open.

    Returns
    -------
    float
        µm per pixel.

    Raises
    ------
    ResolutionError
        If neither gives one, if it is outside 0.05 to 20, or the file's pixels are not square.
    """
    hint = "Give it with `slide_mpp`, or work at a level as it is with `level=0`."
    size = slide.facts.pixel_size
    if size is None:
        raise ResolutionError("the slide does not state its µm per pixel", slide.path, hint)
    if not size.is_sane:
        raise ResolutionError(
            f"the slide states pixels of {size.text} ({size.source}), "
            f"outside {SANE_MPP[0]:g} to {SANE_MPP[1]:g}",
            slide.path,
            hint,
        )
    if not size.is_square:
        raise ResolutionError(
            f"the slide's pixels of {size.text} ({size.source}) are taken as they are, not square",
            slide.path,
            "Give their size as one number with `slide_mpp`, or work at `level=0`.",
        )
    return size.mpp


def _stated(slide: Slide) -> float | None:
    """Return the mpp that the file states, if it is plausible and the pixels are square."""
    size = slide.facts.pixel_size
    return size.mpp if size is not None and size.is_sane and size.is_square else None


def _check(mpp: float, parameter: str) -> float:
    if not is_sane(mpp):
        raise ResolutionError(
            f"{mpp:g} µm per pixel is outside {SANE_MPP[0]:g} to {SANE_MPP[1]:g}", f"`{parameter}`"
        )
    return mpp
