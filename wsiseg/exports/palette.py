"""The colours of labels, for pictures whose pixels are labels."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from wsiseg.exports.mask import Mask
from wsiseg.text import escape_unprintable
from wsiseg.tiling.stitching import NO_LABEL

_NOTHING = (255, 255, 255)
"""The colour of what was not analysed or is not exported, where it cannot be clear: glass."""


def make_palette(mask: Mask, labels: Collection[int]) -> npt.NDArray[np.uint8]:
    """Return the colour of each value.

    Parameters
    ----------
    mask : Mask
        Has the classes.
    labels : collection of int
        Labels that are exported.

    Returns
    -------
    ndarray
        uint8 ``(256, 3)``, RGB.
    """
    palette = np.full((NO_LABEL + 1, 3), _NOTHING, np.uint8)
    for label in labels:
        palette[label] = mask.classes[label].colour
    return palette


def name_labels(mask: Mask, labels: Collection[int]) -> dict[str, str]:
    """Return the name of each label, without characters that formats cannot hold.

    Parameters
    ----------
    mask : Mask
        Has the classes.
    labels : collection of int
        Labels that are exported.
    """
    return {str(label): escape_unprintable(mask.classes[label].name) for label in labels}
