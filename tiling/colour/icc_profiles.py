"""Converting a scanner's colours to sRGB by the ICC profile in its file."""

from __future__ import annotations

import functools
import hashlib
import io
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from wsiseg.error_translation import translate_errors
from wsiseg.errors import DamagedSlideError
from wsiseg.tiling.colour.recolouring import ColourStep
from wsiseg.tiling.slides.pixels import Pixels


def profile_name(profile: bytes) -> str:
    """Return the description that a profile gives of itself; "damaged" if it cannot be read."""
    try:
        with translate_errors(DamagedSlideError):
            name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except DamagedSlideError:
        return "damaged"
    return name.strip() or "without a name"


@dataclass(frozen=True)
class ProfileStep(ColourStep):
    """Turns a scanner's RGB into sRGB by its ICC profile, with the profile's rendering intent.

    Parameters
    ----------
    profile : bytes
        As the file holds it.
    path : Path
        Of the slide.

    Raises
    ------
    DamagedSlideError
        If the profile is damaged, or one of colours other than RGB.
    """

    profile: bytes
    path: Path

    def __post_init__(self) -> None:
        self._transform  # noqa: B018

    @functools.cached_property
    def _transform(self) -> ImageCms.ImageCmsTransform:
        with self._profile_errors():
            scanner = ImageCms.ImageCmsProfile(io.BytesIO(self.profile))
            return ImageCms.buildTransform(
                scanner,
                ImageCms.createProfile("sRGB"),
                "RGB",
                "RGB",
                ImageCms.Intent(ImageCms.getDefaultIntent(scanner)),
            )

    def _profile_errors(self) -> AbstractContextManager[None]:
        return translate_errors(
            lambda why: DamagedSlideError(
                f"its ICC profile cannot be used: {why}", self.path, "Leave `icc` out."
            )
        )

    def change(self, colours: Pixels) -> Pixels:
        """Return colours in sRGB; see :meth:`ColourStep.change`."""
        with self._profile_errors():
            changed = self._transform.apply(Image.fromarray(colours[None]))
        shown: Pixels = np.asarray(changed)[0]
        return shown

    def describe(self) -> dict[str, object]:
        """Return the profile's digest; see :meth:`ColourStep.describe`."""
        return {"step": "icc", "profile": hashlib.sha256(self.profile).hexdigest()}

    def __getstate__(self) -> dict[str, object]:
        return {"profile": self.profile, "path": self.path}
