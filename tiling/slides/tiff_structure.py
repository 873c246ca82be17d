"""Whether the directories of a TIFF make sense, found out before any library follows them.

A few bytes can declare 65,535 pages, tiles of 16 GiB or a list of directories that bites its own
tail; libtiff under OpenSlide then ends the process, tifffile takes minutes.  Here each directory is
looked at once, and nothing is read but its entries and where the pixels are said to lie.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from wsiseg.errors import DamagedSlideError, UnsuitableSlideError

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first four bytes, of TIFF and of BigTIFF in both byte orders."""

LARGEST_TILE = 2**26
"""Pixels of one file tile; the largest that are in use have a quarter of it."""

MOST_DIRECTORIES = 1024

_MOST_TAGS = 4096
_NDPI = 65420
_DESCRIPTION, _JPEG_TABLES, _TILE_WIDTH, _TILE_LENGTH = 270, 347, 322, 323
_SIDES = {256: "width", 257: "height", _TILE_WIDTH: "tile width", _TILE_LENGTH: "tile height"}
_OFFSETS, _COUNTS = (273, 324), (279, 325)
_CODES = {1: "B", 3: "H", 4: "I", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_COPY_AGAIN = "Copy it again from its source."

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Form:
    """How numbers are written in one file, and how long it is."""

    order: str
    big: bool
    size: int

    @property
    def offset(self) -> str:
        return self.order + ("Q" if self.big else "I")

    @property
    def count(self) -> str:
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> int:
        return 20 if self.big else 12


def is_tiff(path: Path) -> bool:
    """Tell by the first bytes."""
    with path.open("rb") as file:
        return file.read(4) in MAGIC


def check_structure(path: Path) -> None:
    """Refuse a TIFF whose directories are damaged or absurd; pass by what is no TIFF.

    Raises
    ------
    DamagedSlideError
        If a directory or pixels lie behind the file's end, or sizes are such that nobody can have
        meant them.
    UnsuitableSlideError
        If there are more directories than a slide has.
    """
    with path.open("rb") as file:
        magic = file.read(4)
        if magic not in MAGIC:
            return
        form = _Form("<" if magic[:2] == b"II" else ">", b"+" in magic, path.stat().st_size)
        for number, tags in enumerate(_directories(file, form, path)):
            if _NDPI in tags:
                # Hamamatsu's offsets have 64 bits in 32-bit files; OpenSlide alone knows how.
                return
            _check_directory(number, tags, file, form, path)


@dataclass(frozen=True)
class _Tag:
    """An entry of a directory: its type, how many values, and where they begin."""

    kind: int
    count: int
    start: int

    @property
    def end(self) -> int:
        return self.start + self.count * _SIZES.get(self.kind, 0)


def _directories(file: BinaryIO, form: _Form, path: Path) -> Iterator[Mapping[int, _Tag]]:
    file.seek(8 if form.big else 4)
    place = _number(file, form.offset)
    seen: set[int] = set()
    while place:
        if place in seen:
            raise DamagedSlideError("the TIFF's directories form a loop", path, _COPY_AGAIN)
        if len(seen) == MOST_DIRECTORIES:
            raise UnsuitableSlideError(
                f"a TIFF of more than {MOST_DIRECTORIES} pages, not one slide", path
            )
        seen.add(place)
        count = None
        if place < form.size:
            file.seek(place)
            count = _number(file, form.count)
        start = file.tell()
        end = start + (count or 0) * form.entry + struct.calcsize(form.offset)
        if count is None or (count <= _MOST_TAGS and end > form.size):
            raise DamagedSlideError(
                "the file is truncated: its directory lies behind its end", path, _COPY_AGAIN
            )
        if count > _MOST_TAGS:
            raise DamagedSlideError(f"a TIFF directory claims {count} entries", path, _COPY_AGAIN)
        yield _tags(file.read(count * form.entry), start, form)
        file.seek(start + count * form.entry)
        place = _number(file, form.offset)


def _tags(entries: bytes, start: int, form: _Form) -> Mapping[int, _Tag]:
    inline = struct.calcsize(form.offset)
    tags = {}
    for place in range(0, len(entries), form.entry):
        code, kind = struct.unpack_from(form.order + "HH", entries, place)
        (count,) = struct.unpack_from(form.offset, entries, place + 4)
        value = place + 4 + inline
        if count * _SIZES.get(kind, 0) <= inline:
            tags[code] = _Tag(kind, count, start + value)
        else:
            tags[code] = _Tag(kind, count, struct.unpack_from(form.offset, entries, value)[0])
    return tags


def _check_directory(
    index: int, tags: Mapping[int, _Tag], file: BinaryIO, form: _Form, path: Path
) -> None:
    # Private tags may point anywhere, nobody follows them.
    for code in (_DESCRIPTION, _JPEG_TABLES, *_SIDES, *_OFFSETS, *_COUNTS):
        if code in tags and tags[code].end > form.size:
            raise DamagedSlideError(
                f"the file is truncated: tag {code} of page {index} lies behind its end",
                path,
                _COPY_AGAIN,
            )
    sides = {}
    for code, name in _SIDES.items():
        for side in _values(file, form, tags.get(code), most=1).tolist():
            if not 0 < side < 2**31:
                raise DamagedSlideError(f"the {name} of page {index} is {side}", path, _COPY_AGAIN)
            sides[code] = side
    tile = sides.get(_TILE_WIDTH, 1), sides.get(_TILE_LENGTH, 1)
    if tile[0] * tile[1] > LARGEST_TILE:
        raise DamagedSlideError(
            f"the tiles of page {index} claim {tile[0]}×{tile[1]} pixels each", path, _COPY_AGAIN
        )
    for offsets, counts in zip(_OFFSETS, _COUNTS, strict=True):
        starts = _values(file, form, tags.get(offsets))
        lengths = _values(file, form, tags.get(counts))
        _check_extent(starts, lengths, form.size, path)


def _check_extent(starts: Numbers, lengths: Numbers, size: int, path: Path) -> None:
    shared = min(len(starts), len(lengths))
    if not shared:
        return
    # Before they are added, as sums of what is absurd would wrap around.
    absurd = any(v.min() < 0 or v.max() > size for v in (starts, lengths))
    last = int((starts[:shared] + lengths[:shared]).max())
    if absurd or last > size:
        declared = "beyond all measure" if absurd else f"up to byte {last}"
        raise DamagedSlideError(
            f"the file is truncated: pixels {declared} are declared, it has {size} bytes",
            path,
            _COPY_AGAIN,
        )


def _values(file: BinaryIO, form: _Form, tag: _Tag | None, most: int | None = None) -> Numbers:
    if tag is None or tag.kind not in _CODES or not tag.count:
        return np.empty(0, np.int64)
    file.seek(tag.start)
    content = file.read((tag.count if most is None else most) * _SIZES[tag.kind])
    dtype = np.dtype(form.order + _CODES[tag.kind])
    whole = len(content) // dtype.itemsize * dtype.itemsize
    return np.frombuffer(content[:whole], dtype).astype(np.int64)


def _number(file: BinaryIO, code: str) -> int | None:
    content = file.read(struct.calcsize(code))
    if len(content) < struct.calcsize(code):
        return None
    return int(struct.unpack(code, content)[0])
