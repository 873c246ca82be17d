"""Photometric distortion: brightness, contrast, saturation and hue, each half of the time.

After Liu et al., SSD, ECCV 2016, section 2.2, and Howard, 2013, with the strengths that
MMSegmentation gives it.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from wsiseg.tiling.slides.pixels import Pixels

BRIGHTNESS = 32.0
"""Grey levels that are added or taken away at most."""

CONTRAST = 0.5
"""Greatest difference from 1 of the factor of all three colours."""

SATURATION = 0.5
"""Greatest difference from 1 of the saturation's factor."""

HUE = 0.1
"""Greatest turn of the colour circle, 1 for all of it."""


def distort(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Change the colours of a tile.

    Parameters
    ----------
    pixels : ndarray
        uint8 ``(H, W, 3)``, RGB.
    random : Generator
        Decides everything.

    Returns
    -------
    ndarray
        Of the same shape and type.
    """
    level, contrast, saturation, turn = random.uniform(-1, 1, 4)
    brightened, contrasted, saturated, turned, first = random.random(5) < 0.5
    if brightened:
        pixels = _map_levels(pixels, 1.0, BRIGHTNESS * level)
    # Half of the time contrast comes before the colours, half of the time after them.
    if contrasted and first:
        pixels = _map_levels(pixels, 1 + CONTRAST * contrast, 0.0)
    if saturated:
        pixels = _saturate(pixels, 1 + SATURATION * saturation)
    if turned:
        pixels = np.asarray(turn_hue(Image.fromarray(pixels), HUE * turn))
    if contrasted and not first:
        pixels = _map_levels(pixels, 1 + CONTRAST * contrast, 0.0)
    return pixels


def turn_hue(picture: Image.Image, turn: float) -> Image.Image:
    """Turn the colour circle.

    Parameters
    ----------
    picture : Image
        RGB.
    turn : float
        1 for the whole circle.
    """
    hue, saturation, value = picture.convert("HSV").split()
    turned = hue.point([(i + round(turn * 256)) % 256 for i in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def _saturate(pixels: Pixels, factor: float) -> Pixels:
    hue, saturation, value = Image.fromarray(pixels).convert("HSV").split()
    more = saturation.point([min(255, round(i * factor)) for i in range(256)])
    return np.asarray(Image.merge("HSV", (hue, more, value)).convert("RGB"))


def _map_levels(pixels: Pixels, factor: float, shift: float) -> Pixels:
    levels = np.clip(np.rint(np.arange(256) * factor + shift), 0, 255).astype(np.uint8)
    mapped: Pixels = levels[pixels]
    return mapped
