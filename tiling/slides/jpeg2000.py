"""What the headers of a JPEG 2000 file state (ISO/IEC 15444-1, annexes A and I)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_CODESTREAM = b"\xff\x4f\xff\x51"
_SIZE_AT, _COMPONENTS_AT, _DEPTH_AT = 8, 40, 42
_DEFINITIONS = b"cdef"
_ALPHA = (1, 2)
_HEADERS = 2**20


@dataclass(frozen=True)
class Jpeg2000:
    """One file's headers.

    Attributes
    ----------
    size : tuple of int
        ``(width, height)`` of what its codestream decodes to.
    components : int
        How many there are.
    depth : int
        Bits of the first.
    has_alpha : bool
        Whether the file defines one of them to be alpha; a bare codestream cannot.
    """

    size: tuple[int, int]
    components: int
    depth: int
    has_alpha: bool


def read_headers(path: Path) -> Jpeg2000:
    """Read the headers.

    Raises
    ------
    ValueError
        If there is no codestream in the first MiB.
    """
    with path.open("rb") as file:
        beginning = file.read(_HEADERS)
    place = beginning.find(_CODESTREAM)
    if place < 0 or place + _DEPTH_AT >= len(beginning):
        raise ValueError("its JPEG 2000 stream has no header")
    right, bottom, left, top = struct.unpack_from(">4I", beginning, place + _SIZE_AT)
    (components,) = struct.unpack_from(">H", beginning, place + _COMPONENTS_AT)
    return Jpeg2000(
        size=(right - left, bottom - top),
        components=components,
        depth=(beginning[place + _DEPTH_AT] & 0x7F) + 1,
        has_alpha=_defines_alpha(beginning[:place]),
    )


def _defines_alpha(boxes: bytes) -> bool:
    place = boxes.find(_DEFINITIONS)
    if place < 4:
        return False
    (length,) = struct.unpack_from(">I", boxes, place - 4)
    entries = boxes[place + 6 : place - 4 + length]
    kinds = [struct.unpack_from(">3H", entries, at)[1] for at in range(0, len(entries) - 5, 6)]
    return any(kind in _ALPHA for kind in kinds)
