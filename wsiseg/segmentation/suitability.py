"""Whether a slide is of the kind that a checkpoint was trained on, before anything is computed."""

from __future__ import annotations

from wsiseg.errors import ResolutionError, UnsuitableSlideError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.tiling.dark_field import is_dark_field
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.slides.pixels import Pixels

WARN_FROM, REFUSE_FROM = 1.5, 4.0
"""Ratios of the slide's µm per pixel to the checkpoint's that are warned of, or refused."""

DARK_FIELD = "the slide is dark with hardly any white, like fluorescence or dark field"

_HINT = "Segment it all the same with `force`."


def check_lighting(slide: Slide, overview: Pixels, *, force: bool) -> tuple[str, ...]:
    """Refuse a fluorescence or dark-field slide.

    Parameters
    ----------
    slide : Slide
        Named in the error.
    overview : ndarray
        uint8 ``(H, W, 3)``: the slide at a low resolution.
    force : bool
        Whether to return a warning instead.

    Returns
    -------
    tuple of str
        Warnings.

    Raises
    ------
    UnsuitableSlideError
        If the slide looks like that, unless forced.
    """
    if not is_dark_field(overview):
        return ()
    if not force:
        raise UnsuitableSlideError(DARK_FIELD, slide.path, _HINT)
    return (f"{DARK_FIELD}; it is segmented all the same",)


def check_resolution(
    slide: Slide, plane: WorkingPlane, checkpoint: Checkpoint, *, force: bool
) -> tuple[str, ...]:
    """Refuse a resolution far from that of the checkpoint.

    Enlarging adds no detail, so for a slide that is enlarged its own pixels count.

    Parameters
    ----------
    slide : Slide
        Named in the error.
    plane : WorkingPlane
        The resolution at which the network would see it.
    checkpoint : Checkpoint
        Its mpp is compared.
    force : bool
        Whether to return a warning instead of refusing.

    Returns
    -------
    tuple of str
        Warnings, from :data:`WARN_FROM` times on.

    Raises
    ------
    ResolutionError
        If it is more than :data:`REFUSE_FROM` times off, unless forced.
    """
    if plane.mpp is None or checkpoint.mpp is None:
        return ()
    shown = plane.mpp / min(1.0, plane.level_scale)
    times = max(shown / checkpoint.mpp, checkpoint.mpp / shown)
    if times <= WARN_FROM:
        return ()
    what = (
        f"the network would see {shown:g} µm per pixel, {times:.1f} times off the "
        f"{checkpoint.mpp:g} that it was trained at"
    )
    if times > REFUSE_FROM and not force:
        raise ResolutionError(what, slide.path, _HINT)
    return (what.replace("would see", "sees"),)
