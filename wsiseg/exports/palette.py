"""The colours of labels, for pictures whose pixels are labels."""

from __future__ import annotations

import json
from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from wsiseg.exports.mask import Mask
from wsiseg.text import escape_unprintable
from wsiseg.tiling.bands import NO_LABEL

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


def describe_picture(
    mask: Mask,
    labels: Collection[int],
    factor: float,
    corner: tuple[float, float] | None = None,
) -> str:
    """Return what pictures say of themselves: JSON in ASCII.

    ``slide_scale`` is how many pixels of the slide's level 0 lie along one of the picture, and
    ``corner`` is ``[y, x]`` of its corner in pixels of level 0, which are square; `stretch` is how
    many of these lie along one of the slide's file, ``[y, x]``.

    Parameters
    ----------
    mask : Mask
        Whose picture it is.
    labels : collection of int
        Labels that are shown.
    factor : float
        Pixels of the mask along one of the picture.
    corner : tuple of float, optional
        ``(y, x)`` in pixels of level 0; that of the mask if left out.
    """
    return json.dumps(
        {
            "slide": mask.slide,
            "classes": name_labels(mask, labels),
            "colours": {str(label): list(mask.classes[label].colour) for label in labels},
            "mpp": None if mask.mpp is None else mask.mpp * factor,
            "slide_scale": mask.side * factor,
            "corner": list(mask.corner if corner is None else corner),
            "stretch": list(mask.stretch),
        }
    )


def same_colours(mask: Mask, labels: Collection[int]) -> tuple[str, ...]:
    """Return a warning for each class whose colour is that of another, or of no class.

    Parameters
    ----------
    mask : Mask
        Has the classes.
    labels : collection of int
        Labels that are shown.
    """
    names: dict[tuple[int, ...], str] = {_NOTHING: "what was not analysed"}
    told = []
    for label in labels:
        entry = mask.classes[label]
        name = escape_unprintable(entry.name)
        before = names.setdefault(tuple(entry.colour), name)
        if before != name:
            told.append(f"{name} has the colour of {before}; the picture does not tell them apart")
    return tuple(told)
