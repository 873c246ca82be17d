"""Orientation of stored pixels (TIFF and EXIF tag 274): rotated, mirrored, or upright."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from wsiseg.tiling.boxes import Box

Number = TypeVar("Number", bound=np.generic)

_ORIENTATION, _SHORT = 274, 3


@dataclass(frozen=True)
class Orientation:
    """How stored pixels become upright: transpose first, then flip.

    Attributes
    ----------
    transposed : bool
        Whether stored rows are upright columns.
    from_bottom, from_right : bool
        Whether rows, or columns, then run the other way.
    """

    transposed: bool = False
    from_bottom: bool = False
    from_right: bool = False

    def shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return ``(height, width)`` upright of what is stored, or stored of what is upright."""
        return (shape[1], shape[0]) if self.transposed else shape

    def stored(self, box: Box, frame: Box) -> Box:
        """Return where an upright box is stored.

        Parameters
        ----------
        box : Box
            In upright pixels.
        frame : Box
            The whole picture, upright.

        Returns
        -------
        Box
            In stored pixels.
        """
        y = frame.height - box.bottom if self.from_bottom else box.y
        x = frame.width - box.right if self.from_right else box.x
        if self.transposed:
            return Box(x, y, box.width, box.height)
        return Box(y, x, box.height, box.width)

    def upright(self, stored: Box, frame: Box) -> Box:
        """Return where a stored box lies in the upright picture; the inverse of :meth:`stored`.

        Parameters
        ----------
        stored : Box
            In stored pixels.
        frame : Box
            The whole picture, upright.

        Returns
        -------
        Box
            In upright pixels.
        """
        if self.transposed:
            stored = Box(stored.x, stored.y, stored.width, stored.height)
        y = frame.height - stored.bottom if self.from_bottom else stored.y
        x = frame.width - stored.right if self.from_right else stored.x
        return Box(y, x, stored.height, stored.width)

    def turn(self, pixels: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """Return stored ``(H, W, C)`` pixels upright, as a view."""
        if self.transposed:
            pixels = pixels.swapaxes(0, 1)
        rows = slice(None, None, -1 if self.from_bottom else 1)
        columns = slice(None, None, -1 if self.from_right else 1)
        return pixels[rows, columns]


UPRIGHT = Orientation()

_BY_TAG = {
    2: Orientation(from_right=True),
    3: Orientation(from_bottom=True, from_right=True),
    4: Orientation(from_bottom=True),
    5: Orientation(transposed=True),
    6: Orientation(transposed=True, from_right=True),
    7: Orientation(transposed=True, from_bottom=True, from_right=True),
    8: Orientation(transposed=True, from_bottom=True),
}


def orientation(tag: object) -> Orientation:
    """Return what the tag's value (TIFF 6.0, p. 36) means; nonsense means upright."""
    return _BY_TAG.get(tag, UPRIGHT) if isinstance(tag, int) else UPRIGHT


def exif_orientation(exif: bytes) -> Orientation:
    """Return what an EXIF block says; one that is damaged says nothing.

    Parameters
    ----------
    exif : bytes
        A small TIFF, with or without ``Exif`` before it.
    """
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return UPRIGHT
    (start,) = struct.unpack_from(order + "I", block, 4)
    if start + 2 > len(block):
        return UPRIGHT
    (count,) = struct.unpack_from(order + "H", block, start)
    for place in range(start + 2, min(start + 2 + 12 * count, len(block) - 11), 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", block, place)
        if (tag, kind) == (_ORIENTATION, _SHORT):
            return orientation(value)
    return UPRIGHT
