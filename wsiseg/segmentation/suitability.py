"""Whether a slide is of the kind that a checkpoint was trained on, before anything is computed."""

from __future__ import annotations

from wsiseg.errors import ResolutionError, UnsuitableSlideError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.tiling.lighting import looks_dark_field
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.slides.slide import Pixels

WARN_FROM, REFUSE_FROM = 1.5, 4.0
"""How many times the checkpoint's µm per pixel may be off, either way."""

DARK_FIELD = "the slide is dark with hardly any white, like fluorescence or dark field"

_HINT = "Segment it all the same with `force`."


def check_lighting(slide: Slide, overview: Pixels, *, force: bool) -> tuple[str, ...]:
    """Refuse fluorescence and dark field; with force, return what to say of it.

    Raises
    ------
    UnsuitableSlideError
        If the slide looks like that, and is not forced.
    """
    if not looks_dark_field(overview):
        return ()
    if not force:
        raise UnsuitableSlideError(DARK_FIELD, slide.path, _HINT)
    return (f"{DARK_FIELD}; it is segmented all the same",)


def check_resolution(
    slide: Slide, plane: WorkingPlane, checkpoint: Checkpoint, *, force: bool
) -> tuple[str, ...]:
    """Refuse a resolution far from the checkpoint's; return what to say of one that is less far.

    What is enlarged shows no more than the slide has, so the slide's own pixels count there.

    Raises
    ------
    ResolutionError
        If it is :data:`REFUSE_FROM` times off or more, and not forced.
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
