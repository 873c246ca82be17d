"""Pictures inside the page: the slide as JPEG, each class over it as PNG, in ``data:`` URIs."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from wsiseg.classes import Colour
from wsiseg.tiling.slides.pixels import Pixels

Bytes = npt.NDArray[np.uint8]

_QUALITY = 82
_THUMB = 112
"""Longer side of the small picture in a cohort's table."""


@dataclass(frozen=True)
class Picture:
    """A part of the slide with what lies over it.

    Attributes
    ----------
    height, width : int
        In its own pixels.
    base : str or None
        The slide's pixels; None if the slide is not at hand.
    layers : dict
        By the keys of the layers: a picture each, of the same size.
    """

    height: int
    width: int
    base: str | None
    layers: dict[str, str]


def jpeg(pixels: Pixels) -> str:
    """Return pixels, uint8 ``(h, w, 3)``, as a ``data:`` URI."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY, optimize=True)
    return _uri("image/jpeg", file)


def veil(shares: Bytes, colour: Colour) -> str:
    """Return a colour that is as dense as a share is large, as a ``data:`` URI.

    Four densities make a small file; what is there at all is seen.

    Parameters
    ----------
    shares : ndarray
        uint8 ``(h, w)``; 255 is all.
    colour : tuple of int
        Red, green, blue.

    Examples
    --------
    >>> veil(np.array([[0, 9, 255]], np.uint8), (200, 0, 90))[:22]
    'data:image/png;base64,'
    """
    return _densities((shares.astype(np.uint16) * 3 + 254) // 255, colour, 2)


def cover(there: npt.NDArray[np.bool_], colour: Colour) -> str:
    """Return a colour where something is, as a ``data:`` URI.

    Parameters
    ----------
    there : ndarray
        bool ``(h, w)``.
    colour : tuple of int
        Red, green, blue.
    """
    return _densities(there, colour, 1)


def haze(values: Bytes, colour: Colour) -> str:
    """Return a colour that is as dense as a value is large, in 16 steps, as a ``data:`` URI.

    Parameters
    ----------
    values : ndarray
        uint8 ``(h, w)``.
    colour : tuple of int
        Red, green, blue.
    """
    return _densities((values.astype(np.uint16) + 8) // 17, colour, 4)


def _densities(steps: npt.NDArray[Any], colour: Colour, bits: int) -> str:
    most = 2**bits - 1
    picture = Image.frombytes("P", steps.shape[::-1], steps.astype(np.uint8).tobytes())
    picture.putpalette(bytes(colour) * (most + 1))
    return _png(picture, bits, bytes(255 * step // most for step in range(most + 1)))


def ramp(values: Bytes, colours: list[Colour]) -> str:
    """Return values as colours of a ramp, as a ``data:`` URI.

    Parameters
    ----------
    values : ndarray
        uint8 ``(h, w)``: indices into the ramp; 255 is clear.
    colours : list of tuple
        Fewer than 255.
    """
    palette = [*colours, *[(0, 0, 0)] * (256 - len(colours))]
    picture = Image.frombytes("P", values.shape[::-1], values.tobytes())
    picture.putpalette(bytes(value for colour in palette for value in colour))
    return _png(picture, 8, bytes([255] * 255 + [0]))


def thumb(base: Pixels | None, shares: dict[int, Bytes], colours: dict[int, Colour]) -> str:
    """Return a small picture of slide and mask, as a ``data:`` URI.

    Parameters
    ----------
    base : ndarray or None
        uint8 ``(h, w, 3)``: the overview.
    shares : dict
        By label: uint8 ``(h, w)``; 255 is all.
    colours : dict
        By label.
    """
    shape = next(iter(shares.values())).shape if base is None else base.shape[:2]
    under = np.full((*shape, 3), 255, np.uint8) if base is None else base
    small = _small(under).astype(np.float32)
    for label, colour in colours.items():
        if label in shares:
            share = _small(shares[label])[..., None] / np.float32(510 if base is not None else 255)
            small += (np.array(colour, np.float32) - small) * share
    return jpeg(small.round().astype(np.uint8))


def _small(pixels: Bytes) -> Bytes:
    picture = Image.fromarray(pixels)
    picture.thumbnail((_THUMB, _THUMB), Image.Resampling.BOX)
    return np.asarray(picture)


def _png(picture: Image.Image, bits: int, density: bytes) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG", bits=bits, transparency=density)
    return _uri("image/png", file)


def _uri(kind: str, file: io.BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
