"""The size of a level-0 pixel, and which of a file's statements about it is used.

It is the first of these that lies between 0.05 and 20 µm:

1. the vendor's own field: Aperio's ``MPP`` (``aperio.MPP``), or what OpenSlide knows of the other
   vendors (``openslide.mpp``);
2. OME's ``PhysicalSizeX`` and ``PhysicalSizeY`` of the image that is read (``ome.PhysicalSize``),
   in OME-Zarr the scale of the finest array (``ome.scale``);
3. DICOM's ``PixelSpacing`` (``dicom.PixelSpacing``);
4. the TIFF tags ``XResolution`` and ``YResolution`` in ImageJ's unit, where its description names
   one and the tag does not (``imagej.unit``);
5. these tags in a unit of TIFF's own (``tiff.Resolution``).

If none does, the first one stated is reported as it is, and whatever needs a resolution refuses it.
Every statement that was rejected becomes a warning (:func:`explain_rejected`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from wsiseg.tiling.slides.lengths import number

SANE_MPP = (0.05, 20.0)
"""µm per pixel that a microscope can have meant; anything else is a broken field."""

SQUARE = 0.01
"""How far a pixel's height may be off its width, as a share, and it still counts as square."""

AGREEMENT = 0.01
"""By what share two programs may differ about a slide before it is said."""

_RESOLUTION_UNITS = {"CENTIMETER": 1e4, "INCH": 25400.0}


@dataclass(frozen=True)
class PixelSize:
    """What one field says of a pixel.

    Attributes
    ----------
    height, width : float
        In µm.
    source : str
        The field.
    """

    height: float
    width: float
    source: str

    @property
    def mpp(self) -> float:
        """µm per pixel, the mean of both sides."""
        return (self.height + self.width) / 2

    @property
    def text(self) -> str:
        """Both sides in words, or one number for a square."""
        if self.is_square:
            return f"{self.mpp:g} µm"
        return f"{self.height:g} µm in height and {self.width:g} µm in width"

    @property
    def is_square(self) -> bool:
        """Whether one number says enough; a scanner may be off by a little."""
        return abs(self.height - self.width) <= SQUARE * self.width

    @property
    def is_sane(self) -> bool:
        """Whether a microscope can have meant it."""
        return is_sane(self.height) and is_sane(self.width)


def is_sane(mpp: float) -> bool:
    """Tell whether a microscope can have meant that many µm per pixel."""
    return math.isfinite(mpp) and SANE_MPP[0] <= mpp <= SANE_MPP[1]


def choose_pixel_size(stated: Iterable[PixelSize | None]) -> PixelSize | None:
    """Return the first plausible size, or else the first one, or None.

    Parameters
    ----------
    stated : iterable of PixelSize or None
        In order of preference; None for a field that the file does not have.
    """
    made = [size for size in stated if size is not None]
    return next((size for size in made if size.is_sane), made[0] if made else None)


def explain_rejected(
    stated: Iterable[PixelSize | None], chosen: PixelSize | None
) -> tuple[str, ...]:
    """Return a warning for each statement before the chosen one that was rejected.

    Parameters
    ----------
    stated : iterable of PixelSize or None
        In order of preference, as for :func:`choose_pixel_size`.
    chosen : PixelSize or None
        What that returned.
    """
    found = []
    for size in stated:
        if size is None:
            continue
        if size == chosen:
            break
        believed = "" if chosen is None else f"; {chosen.source} is used"
        found.append(f"{size.source} states pixels of {size.text}, which is implausible{believed}")
    return tuple(found)


def mpp_differs(one: float, other: float) -> bool:
    """Tell whether two resolutions differ by more than rounding explains.

    Parameters
    ----------
    one, other : float
        µm per pixel.
    """
    return abs(one - other) > AGREEMENT * max(abs(one), abs(other))


def from_resolution(y: object, x: object, unit: str) -> PixelSize | None:
    """Return what the TIFF tags say.

    Parameters
    ----------
    y, x : object
        Pixels per unit, as numbers or text.
    unit : str
        ``CENTIMETER`` or ``INCH``, in any case; nothing is meant by others.
    """
    length = _RESOLUTION_UNITS.get(unit.upper())
    down, across = number(y), number(x)
    if length is None or down is None or across is None or down <= 0 or across <= 0:
        return None
    return PixelSize(length / down, length / across, "tiff.Resolution")
