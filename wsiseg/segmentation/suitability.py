"""Whether a slide is of the kind that a checkpoint was trained on, before anything is computed."""

from __future__ import annotations

from wsiseg.errors import DarkFieldError, FarResolutionError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.tiling.dark_field import is_dark_field
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.slides.pixels import Pixels

WARN_FROM, REFUSE_FROM = 1.5, 4.0
"""Ratios of µm per pixel to the checkpoint's that are warned of, or refused."""

DARK_FIELD = "the slide is dark with hardly any white, like fluorescence or dark field"

_HINT = "Continue all the same with `force`."

FORCEABLE = (DarkFieldError, FarResolutionError)
"""What `force` turns into a warning."""


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
    DarkFieldError
        If the slide looks like that, unless forced.
    """
    if not is_dark_field(overview):
        return ()
    if not force:
        raise DarkFieldError(DARK_FIELD, slide.path, _HINT)
    return (f"{DARK_FIELD}; it is segmented all the same",)


def check_resolution(
    slide: Slide,
    plane: WorkingPlane,
    checkpoint: Checkpoint,
    *,
    force: bool,
    hint: str = _HINT,
) -> tuple[str, ...]:
    """Refuse a resolution far from that of the checkpoint.

    Enlarging adds no detail, so the pixels of a slide that is enlarged count as well.

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
    hint : str
        What to do about a refusal.

    Returns
    -------
    tuple of str
        Warnings, from :data:`WARN_FROM` times on.

    Raises
    ------
    FarResolutionError
        If it is more than :data:`REFUSE_FROM` times off, unless forced.
    """
    if plane.mpp is None or checkpoint.mpp is None:
        return ()
    trained = checkpoint.mpp

    def times_off(mpp: float) -> float:
        return max(mpp / trained, trained / mpp)

    shown = max(plane.mpp, plane.mpp / min(1.0, plane.level_scale), key=times_off)
    times = times_off(shown)
    if times <= WARN_FROM:
        return ()
    what = (
        f"the network would see {shown:g} µm per pixel, {times:.1f} times off the "
        f"{trained:g} that it was trained at"
    )
    if times > REFUSE_FROM and not force:
        raise FarResolutionError(what, slide.path, hint)
    return (what.replace("would see", "sees"),)
