"""Which samples of a TIFF's pixel are colours, which one is alpha, and which are neither.

TIFF 6.0, p. 31: every sample beyond those of the colours has an entry in *ExtraSamples*; 0 means
that it is unspecified (a near infrared channel for instance), 1 alpha by which colours are
multiplied already, 2 alpha.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import tifffile

from wsiseg.errors import UnsuitableSlideError

Number = TypeVar("Number", bound=np.generic)

_COLOURED = (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR)
_GREY = (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE)


@dataclass(frozen=True)
class Sampling:
    """What the samples of a pixel are.

    Attributes
    ----------
    colours : int
        How many are colours, the first: 3, or 1 of grey.
    alpha : int or None
        Which one is alpha.
    associated : bool
        Whether the colours are multiplied by it.
    unspecified : tuple of int
        Which are neither.
    guessed : bool
        Whether the file says nothing of the one that is taken for alpha.
    """

    colours: int
    alpha: int | None
    associated: bool
    unspecified: tuple[int, ...]
    guessed: bool = False

    @property
    def wanted(self) -> tuple[int, ...]:
        """Colours, and alpha behind them."""
        return (*range(self.colours), *(() if self.alpha is None else (self.alpha,)))

    def drop_unspecified(self, samples: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """Return ``(H, W, S)`` samples without those that are neither colour nor alpha."""
        if not self.unspecified or samples.ndim < 3:
            return samples
        if self.alpha is None:
            return samples[..., : self.colours]
        return samples[..., list(self.wanted)]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is left out, in words."""
        if self.guessed:
            return ("the file does not say what its further sample is; it is taken for alpha",)
        if not self.unspecified:
            return ()
        number = len(self.unspecified)
        which = "sample" if number == 1 else f"{number} samples"
        return (
            (
                f"a further {which} of each pixel, which the file does not say to be alpha, "
                f"{'is' if number == 1 else 'are'} left out"
            ),
        )


def find_sampling(page: tifffile.TiffPage, path: object) -> Sampling:
    """Find out which samples of a page are colours, which is alpha, and which are neither.

    Parameters
    ----------
    page : tifffile.TiffPage
        One page.
    path : Path
        The file, for the error.

    Returns
    -------
    Sampling
        What each sample means.

    Raises
    ------
    UnsuitableSlideError
        If they are channels rather than colours.
    """
    samples = int(page.samplesperpixel)
    colours = 3 if page.photometric in _COLOURED and samples >= 3 else 1
    if page.photometric not in (*_COLOURED, *_GREY):
        # Neither of those: separations, indices, CIELab; their number is for others to judge.
        return Sampling(samples, None, False, ())
    if samples == colours + 1 and not page.extrasamples:
        # Without the tag nothing is said at all, and it is a habit of writers and readers.
        return Sampling(colours, colours, False, (), guessed=True)
    kinds = [*page.extrasamples, *[tifffile.EXTRASAMPLE.UNSPECIFIED] * samples][: samples - colours]
    alphas = [i for i, kind in enumerate(kinds, colours) if kind in (1, 2)]
    unspecified = tuple(i for i in range(colours, samples) if i not in alphas[:1])
    if colours == 1 and len(unspecified) > 1:
        raise UnsuitableSlideError(
            f"{samples} channels of {page.dtype}, whose colours and range of values are not stated",
            path,
            "Save what is to be segmented as RGB of 8 bits.",
        )
    alpha = alphas[0] if alphas else None
    associated = alpha is not None and kinds[alpha - colours] == 1
    return Sampling(colours, alpha, associated, unspecified)
