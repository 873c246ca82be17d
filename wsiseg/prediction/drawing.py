"""Labels as a picture whose pixels are classes, and as colours over the picture itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from wsiseg.classes import LabelClass
from wsiseg.store.disk import replace_when_complete
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.slides.pixels import Pixels

Labels = npt.NDArray[np.uint8]

_JPEG_QUALITY = 92


def make_palette(classes: Sequence[LabelClass]) -> Pixels:
    """Return the colour of each value, uint8 ``(256, 3)``: black for what is no class.

    Parameters
    ----------
    classes : sequence of LabelClass
        In the order of the labels.
    """
    palette = np.zeros((NO_LABEL + 1, 3), np.uint8)
    palette[: len(classes)] = [entry.colour for entry in classes]
    return palette


def write_labels(path: Path, labels: Labels, palette: Pixels) -> None:
    """Write a PNG whose pixels are labels, with the colours of the classes as its palette.

    Parameters
    ----------
    path : Path
        Appears whole or not at all; an existing file is replaced.
    labels : ndarray
        uint8 ``(H, W)``; 255 where the network gave no numbers.
    palette : ndarray
        From :func:`make_palette`.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    picture = Image.fromarray(labels)
    picture.putpalette(palette.tobytes())
    with replace_when_complete(path) as unfinished:
        picture.save(unfinished, "PNG")


def write_overlay(
    path: Path, pixels: Pixels, labels: Labels, palette: Pixels, opacity: float
) -> None:
    """Write a JPEG of the picture with the classes' colours over it.

    Parameters
    ----------
    path : Path
        Appears whole or not at all; an existing file is replaced.
    pixels : ndarray
        uint8 ``(H, W, 3)``, RGB.
    labels : ndarray
        uint8 ``(H, W)``; what is no class is not covered.
    palette : ndarray
        From :func:`make_palette`.
    opacity : float
        Of the colours, 0 to 1.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    mixed = Image.blend(Image.fromarray(pixels), Image.fromarray(palette[labels]), opacity)
    if (labels == NO_LABEL).any():
        uncovered = Image.fromarray((labels == NO_LABEL).astype(np.uint8) * 255)
        mixed.paste(Image.fromarray(pixels), mask=uncovered)
    with replace_when_complete(path) as unfinished:
        mixed.save(unfinished, "JPEG", quality=_JPEG_QUALITY)
