"""The resolution at which samples are read: µm per pixel, or a scale."""

from __future__ import annotations

from dataclasses import dataclass

from wsiseg.errors import ArgumentError, ResolutionError
from wsiseg.tiling.resolution import WorkingPlane, plane_at_level, plane_at_mpp, plane_at_scale
from wsiseg.tiling.slides import Slide, open_slide
from wsiseg.training.datasets.dataset import Sample


@dataclass(frozen=True)
class WorkingResolution:
    """The resolution at which samples are read.

    Attributes
    ----------
    mpp : float or None
        Working resolution in µm per pixel; excludes `scale`.
    slide_mpp : float or None
        µm per pixel of level 0, where the files state none.
    override_mpp : bool
        Whether that counts where they state another value, too.
    scale : float or None
        Working pixels along one pixel of level 0; 1 if neither is given.
    """

    mpp: float | None = None
    slide_mpp: float | None = None
    override_mpp: bool = False
    scale: float | None = None

    def __post_init__(self) -> None:
        if self.mpp is not None and self.scale is not None:
            raise ArgumentError("`mpp` and `scale` exclude each other", None, "Give one of them.")

    def open_slide(self, sample: Sample) -> Slide:
        """Open a sample's picture or slide."""
        return open_slide(
            sample.image,
            sample.reader,
            slide_mpp=self.slide_mpp,
            override_mpp=self.override_mpp,
        )

    def plane(self, slide: Slide) -> WorkingPlane:
        """Return the working plane of a slide.

        Raises
        ------
        ResolutionError
            If a resolution is missing or absurd.
        """
        if self.mpp is not None:
            return self._plane_at_mpp(slide, self.mpp)
        if self.scale is not None:
            return plane_at_scale(slide, self.scale)
        return plane_at_level(slide, 0)

    def _plane_at_mpp(self, slide: Slide, mpp: float) -> WorkingPlane:
        try:
            return plane_at_mpp(slide, mpp)
        except ResolutionError as error:
            if error.hint is None:
                raise
            # Levels are chosen where slides are segmented, and nowhere here.
            hint = "Give it with `slide_mpp`, or leave `mpp` out and work at `scale=1`."
            raise ResolutionError(error.what, error.where, hint) from error
