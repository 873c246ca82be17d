"""Reinhard's transfer of the mean and spread of colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wsiseg.tiling.colour.density import Floats, Triple, triple
from wsiseg.tiling.slides.pixels import Pixels

_TO_LMS = np.array(
    [[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]], np.float32
)
_TO_LAB = (
    np.diag([1 / 3**0.5, 1 / 6**0.5, 1 / 2**0.5]) @ [[1, 1, 1], [1, 1, -2], [1, -1, 0]]
).astype(np.float32)
_FROM_LMS, _FROM_LAB = (np.linalg.inv(matrix).astype(np.float32) for matrix in (_TO_LMS, _TO_LAB))

_FLAT = 2e-3
"""The least deviation: what varies less is noise."""

_BRIGHTEST = 8.0
"""Logarithm of more light than there is, before it becomes infinite."""

_GLASS, _STAINED = 235.0, 205.0
"""The darkest channel of what is left as it is, and of what is changed fully."""


@dataclass(frozen=True)
class ColourStatistics:
    """Mean and standard deviation of colours in the space lαβ, natural logarithm.

    Attributes
    ----------
    mean, deviation : tuple of float
        Of l, α and β.
    """

    mean: Triple
    deviation: Triple

    def __post_init__(self) -> None:
        sensible = [0 < deviation < np.inf for deviation in self.deviation]
        if not (np.isfinite(self.mean).all() and all(sensible)):
            msg = "means are finite, and deviations are positive"
            raise ValueError(msg)

    def transfer(self, colours: Pixels, target: ColourStatistics) -> Pixels:
        """Return colours with the mean and deviation of `target`; glass stays as it is.

        The paper changes every pixel, which would tint the glass.  Here the change fades in between
        glass and stained tissue.

        Parameters
        ----------
        colours : ndarray
            uint8 ``(N, 3)``, RGB, of a slide with the statistics `self`.
        target : ColourStatistics
            Statistics of the reference.

        Returns
        -------
        ndarray
            uint8 ``(N, 3)``, RGB.
        """
        here, there = (np.array([s.mean, s.deviation], np.float32) for s in (self, target))
        scaled = (_to_lab(colours) - here[0]) * (there[1] / here[1]) + there[0]
        rgb = np.exp(np.minimum(scaled @ _FROM_LAB.T, _BRIGHTEST)) @ _FROM_LMS.T
        darkest = colours.min(-1, keepdims=True).astype(np.float32)
        share = np.clip((_GLASS - darkest) / (_GLASS - _STAINED), 0, 1)
        mixed = share * np.clip(rgb, 0, 255) + (1 - share) * colours
        shown: Pixels = np.rint(mixed).astype(np.uint8)
        return shown


REFERENCE = ColourStatistics(
    (8.63234435, -0.11501964, 0.03868433), (0.57506023, 0.10403329, 0.01364062)
)
"""Mean and deviation of slides of The Cancer Genome Atlas, as HistomicsTK gives them."""


def reinhard(colours: Pixels) -> ColourStatistics:
    """Find mean and deviation of stained pixels.

    E. Reinhard et al., *Color transfer between images*, IEEE Computer Graphics and Applications
    21(5), 2001.

    Parameters
    ----------
    colours : ndarray
        uint8 ``(N, 3)``.
    """
    lab = _to_lab(colours).astype(np.float64)
    deviation = np.maximum(lab.std(0), _FLAT)
    return ColourStatistics(triple(lab.mean(0)), triple(deviation))


def _to_lab(colours: Pixels) -> Floats:
    lms = np.maximum(colours, 1).astype(np.float32) @ _TO_LMS.T
    return np.asarray(np.log(lms) @ _TO_LAB.T)
