"""Telling bright-field slides from dark field and fluorescence."""

from __future__ import annotations

import numpy as np

from wsiseg.tiling.slides.pixels import Pixels

_DARK, _WHITE = 50, 170
_DIM = 100
_MOST_WHITE = 0.01
_CONTRAST = 16


def is_dark_field(overview: Pixels) -> bool:
    """Tell fluorescence and dark field from a bright-field slide.

    A dark-field overview is mostly near black, hardly anywhere white, and elsewhere bright in one
    channel at most, as fluorescent dyes are.  Bright-field tissue between black bars, or beside a
    pen's marks, is bright in two channels, however little glass there is around it.

    Parameters
    ----------
    overview : ndarray
        uint8 ``(h, w, 3)``, RGB, the whole slide.
    """
    ordered = np.sort(overview, axis=-1)
    darkest, middle, brightest = (ordered[..., channel] for channel in range(3))
    dark = brightest < _DARK
    # A blank picture is neither.
    if np.ptp(overview) < _CONTRAST or dark.mean() <= 0.5:
        return False
    rest = middle[~dark]
    return bool(
        (darkest > _WHITE).mean() < _MOST_WHITE and (not rest.size or np.median(rest) < _DIM)
    )
