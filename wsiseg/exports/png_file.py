"""Writes PNG files row by row.

Pillow wants the whole picture in memory, which a slide's mask need not fit; what PNG asks of rows
is little (https://www.w3.org/TR/png-3/).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wsiseg.store.disk import replace_when_complete

LONGEST = 2**31 - 1
"""Pixels along a side that a file can have."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BITS, _COLOUR, _PALETTE = 8, 2, 3

_Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PngHead:
    """What stands in a file before its pixels.

    Attributes
    ----------
    shape : tuple of int
        ``(height, width)``.
    text : str
        In ASCII, under the keyword ``wsiseg``.
    mpp : float or None
        µm per pixel.
    palette : ndarray or None
        uint8 ``(n, 4)``, RGBA, of which pixels are indices; without one they are RGB.
    """

    shape: tuple[int, int]
    text: str
    mpp: float | None
    palette: _Bytes | None = None


def write_png(output: Path, head: PngHead, strips: Iterable[_Bytes]) -> None:
    """Write a PNG file.

    Parameters
    ----------
    output : Path
        Appears complete or not at all; an existing file is replaced.
    head : PngHead
        What stands before the pixels.
    strips : iterable of ndarray
        The rows from the top on, some at a time: uint8 ``(n, width)``, or ``(n, width, 3)`` without
        a palette.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with replace_when_complete(output) as unfinished, unfinished.open("wb") as file:
        file.write(_SIGNATURE)
        for kind, content in _before(head):
            file.write(_chunk(kind, content))
        for kind, content in _pixels(strips):
            file.write(_chunk(kind, content))


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def _before(head: PngHead) -> Iterator[tuple[bytes, bytes]]:
    (height, width), palette = head.shape, head.palette
    kind = _COLOUR if palette is None else _PALETTE
    yield b"IHDR", struct.pack(">IIBBBBB", width, height, _BITS, kind, 0, 0, 0)
    if palette is not None:
        yield b"PLTE", palette[:, :3].tobytes()
        yield b"tRNS", palette[:, 3].tobytes()
    if head.mpp is not None:
        per_metre = round(1e6 / head.mpp)
        yield b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)
    yield b"tEXt", b"wsiseg\0" + head.text.encode("ascii")


def _pixels(strips: Iterable[_Bytes]) -> Iterator[tuple[bytes, bytes]]:
    packed = zlib.compressobj()
    for rows in strips:
        # Each row begins with the way in which it is filtered: none.
        flat = rows.reshape(len(rows), -1)
        content = packed.compress(np.pad(flat, ((0, 0), (1, 0))).tobytes())
        if content:
            yield b"IDAT", content
    yield b"IDAT", packed.flush()
    yield b"IEND", b""
