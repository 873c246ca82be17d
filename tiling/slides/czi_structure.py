"""Validation of the directory of a Zeiss CZI, before OpenSlide follows it.

A subblock that declares to be stored in no pixels, or to lie a billion pixels away, ends the
process there.  Segments are those of the ZEN file format, part 2: *ZISRAWFILE* says where the
directories of subblocks and of attachments are; attachments may be files of the same kind.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from wsiseg.errors import DamagedSlideError
from wsiseg.tiling.slides.tiff_structure import LARGEST_TILE

_MAGIC = b"ZISRAWFILE"
_SEGMENT = struct.Struct("<16sqq")
_HEADER = struct.Struct("<4i32xiqqiq")
_ENTRY, _AXIS = struct.Struct("<2siqiib5xi"), struct.Struct("<4siifi")
_ATTACHMENT = struct.Struct("<2s10xqi16s8s80s")
_LISTED, _ATTACHMENTS_LISTED, _ATTACHED = 128, 256, 256
"""Bytes before the entries of either directory, and before what is attached."""

_LONGEST_DIRECTORY = 2**25
"""Bytes; some 200,000 subblocks."""

_MOST_AXES = 16
_LONGEST_SIDE = 2**22
"""Pixels; a whole glass at 0.05 µm per pixel has a third of it."""


def check_czi(path: Path) -> None:
    """Refuse a CZI whose directory is damaged or implausible; ignore other files.

    Raises
    ------
    DamagedSlideError
        If subblocks lie behind the file's end, or their sizes are implausible.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return
        try:
            _check_file(file, 0)
        except (ValueError, struct.error) as error:
            raise DamagedSlideError(
                f"the CZI's directory is damaged: {error}", path, "Copy it again from its source."
            ) from error


def _check_file(file: BinaryIO, start: int) -> None:
    """Check the file that begins at a place, and what is attached to it."""
    header = _HEADER.unpack_from(_segment(file, start, _MAGIC, _HEADER.size))
    directory, attachments = header[5], header[8]
    listed = _segment(file, start + directory, b"ZISRAWDIRECTORY", _LONGEST_DIRECTORY)
    if len(listed) == _LONGEST_DIRECTORY:
        raise ValueError("it is longer than that of any slide")
    _check_subblocks(listed)
    # Nothing is attached to what is attached, and to some files nothing at all.
    if start == 0 and attachments:
        for place in _attached(_segment(file, attachments, b"ZISRAWATTDIR", _LONGEST_DIRECTORY)):
            _check_file(file, place)


def _segment(file: BinaryIO, place: int, name: bytes, most: int) -> bytes:
    """Return the content of a segment, at most `most` bytes of it."""
    size = os.fstat(file.fileno()).st_size
    if not 0 <= place <= size - _SEGMENT.size:
        raise ValueError(f"byte {place} of {size} is to hold {name.decode()}")
    file.seek(place)
    found, allocated, used = _SEGMENT.unpack(file.read(_SEGMENT.size))
    used = used or allocated
    if found.rstrip(b"\0") != name or not 0 <= used <= size - file.tell():
        raise ValueError(f"{name.decode()} is not at byte {place}, or not whole")
    return file.read(min(used, most))


def _check_subblocks(directory: bytes) -> None:
    (count,) = struct.unpack_from("<i", directory)
    place, corners, ends = _LISTED, [], []
    for index in range(count):
        *_, axes = _ENTRY.unpack_from(directory, place)
        if not 0 <= axes <= _MOST_AXES:
            raise ValueError(f"subblock {index} has {axes} axes")
        place += _ENTRY.size
        extent = {}
        for _ in range(axes):
            name, start, size, _, stored = _AXIS.unpack_from(directory, place)
            extent[name.rstrip(b"\0")] = (start, size, stored)
            place += _AXIS.size
        if not {b"X", b"Y"} <= extent.keys():
            raise ValueError(f"subblock {index} has no place")
        (y, height, rows), (x, width, columns) = extent[b"Y"], extent[b"X"]
        if not (0 < rows <= height and 0 < columns <= width and rows * columns <= LARGEST_TILE):
            raise ValueError(f"subblock {index} of {width}×{height} is stored in {columns}×{rows}")
        corners.append((y, x))
        ends.append((y + height, x + width))
    if corners and (np.max(ends, axis=0) - np.min(corners, axis=0)).max() > _LONGEST_SIDE:
        raise ValueError("its subblocks lie too far apart for one slide")


def _attached(directory: bytes) -> Iterator[int]:
    """Yield where those attachments begin that are CZI files."""
    (count,) = struct.unpack_from("<i", directory)
    for index in range(count):
        _, place, _, _, kind, _ = _ATTACHMENT.unpack_from(
            directory, _ATTACHMENTS_LISTED + index * _ATTACHMENT.size
        )
        if kind.rstrip(b"\0") == b"CZI":
            yield place + _SEGMENT.size + _ATTACHED
