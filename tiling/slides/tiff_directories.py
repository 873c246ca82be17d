"""Walking the directories of a TIFF within a budget, before any library follows them.

What libraries read grows with the entries of all directories together, those of *SubIFDs* included:
of 1,024 that share one table of 24 million offsets each reads its own copy.  Here each directory is
visited once, and of what it lists no more is read than its entries.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from wsiseg.errors import DamagedSlideError, UnsuitableSlideError

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first four bytes, of TIFF and of BigTIFF in both byte orders."""

MOST_DIRECTORIES = 1024

COPY_AGAIN = "Copy it again from its source."
NDPI = 65420
DESCRIPTION, JPEG_TABLES = 270, 347
OFFSETS, COUNTS = (273, 324), (279, 325)

_MOST_TAGS = 4096
_SUB_DIRECTORIES = 330
# Hamamatsu lists the restart markers of its JPEG streams, with the upper half of each apart.
_RESTARTS = (65426, 65432)
_TABLES = (*OFFSETS, *COUNTS, *_RESTARTS)
# What tifffile or OpenSlide read of a directory whether it is wanted or not, and ICC profiles.
_READ = {258, DESCRIPTION, 271, 272, 277, 282, 283, 305, 306, 320, 338, 339, JPEG_TABLES, 513, 514}
_READ |= {530, 532, 700, 33628, 34675, 42113, 50838, 50839, 51123}
_CODES = {1: "B", 3: "H", 4: "I", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TiffHeader:
    """Byte order and variant of a TIFF file, and its size.

    Attributes
    ----------
    order : {"<", ">"}
        Byte order, as :mod:`struct` writes it.
    big : bool
        Whether it is BigTIFF, with 64-bit offsets.
    size : int
        Bytes of the file.
    ndpi : bool
        Whether it is Hamamatsu's variant, with 64-bit offsets of directories in a classic TIFF.
    """

    order: str
    big: bool
    size: int
    ndpi: bool = False

    @property
    def offset(self) -> str:
        """Code of where something lies, and of how many values a tag has."""
        return self.order + ("Q" if self.big else "I")

    @property
    def following(self) -> str:
        """Code of where the next directory lies; Hamamatsu's have 64 bits in 32-bit files."""
        return self.order + ("Q" if self.big or self.ndpi else "I")

    @property
    def count(self) -> str:
        """Code of how many entries a directory has."""
        return self.order + ("Q" if self.big else "H")

    @property
    def entry(self) -> int:
        """Bytes of an entry."""
        return 20 if self.big else 12


@dataclass(frozen=True)
class Tag:
    """An entry of a directory: its type, how many values, and where they begin."""

    kind: int
    count: int
    start: int

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return self.count * _SIZES.get(self.kind, 0)

    @property
    def end(self) -> int:
        """Where the values end."""
        return self.start + self.size


Tags = Mapping[int, Tag]
Entries = list[tuple[int, Tag]]


@dataclass
class Budget:
    """What all directories of a file may hold together.

    Attributes
    ----------
    tags : int
        Entries of directories.
    listed : int
        Values in tables of where pieces of pixels lie.  A pyramid of 450,000 pixels a side, in
        tiles of 256, has as many.
    content : int
        Bytes in the other tags that are read, descriptions for instance.
    every_tag : bool
        Whether all others are read.
    """

    tags: int = 2**16
    listed: int = 2**23
    content: int = 2**25
    every_tag: bool = False

    def spend(self, entries: Entries, path: Path) -> None:
        """Subtract what one directory holds; an entry that stands there twice is counted twice.

        Parameters
        ----------
        entries : list of (int, Tag)
            Of the directory.
        path : Path
            The file, for the error.

        Raises
        ------
        DamagedSlideError
            If there is not that much left.
        """
        self.tags -= len(entries)
        for code, tag in entries:
            if code in _TABLES:
                self.listed -= tag.count
            elif self.every_tag or code in _READ:
                self.content -= tag.size
        for left, what in (
            (self.tags, "entries"),
            (self.listed, "pieces of pixels"),
            (self.content, "bytes of text and tables"),
        ):
            if left < 0:
                raise DamagedSlideError(
                    f"the TIFF's directories list more {what} than those of any slide",
                    path,
                    COPY_AGAIN,
                )


def is_tiff(path: Path) -> bool:
    """Tell by its first bytes whether a file is a TIFF."""
    with path.open("rb") as file:
        return file.read(4) in MAGIC


def read_tiff_header(file: BinaryIO) -> TiffHeader | None:
    """Read byte order and variant of a TIFF.

    Parameters
    ----------
    file : binary file
        Open.

    Returns
    -------
    TiffHeader or None
        None if it is no TIFF.
    """
    file.seek(0)
    magic = file.read(4)
    if magic not in MAGIC:
        return None
    order, big, size = "<" if magic[:2] == b"II" else ">", b"+" in magic, file.seek(0, os.SEEK_END)
    header = TiffHeader(order, big, size)
    if big:
        return header
    # Hamamatsu's first directory may lie behind 4 GiB as well.
    hamamatsu = TiffHeader(order, big, size, ndpi=True)
    for each in (hamamatsu, header):
        file.seek(4)
        place = read_number(file, each.following)
        if place is not None and place < size and NDPI in _peek(file, header, place):
            return hamamatsu
    return header


def _peek(file: BinaryIO, header: TiffHeader, place: int) -> set[int]:
    """Return which tags a directory has, if there is one."""
    file.seek(place)
    count = read_number(file, header.count) or 0
    content = file.read(min(count, _MOST_TAGS) * header.entry)
    return {
        code
        for code, _ in _entries(content[: len(content) // header.entry * header.entry], 0, header)
    }


def walk_directories(
    file: BinaryIO, header: TiffHeader, budget: Budget, path: Path
) -> Iterator[Tags]:
    """Yield the tags of each directory: pages first, in file order, then the *SubIFDs* below them.

    Parameters
    ----------
    file : binary file
        Open.
    header : TiffHeader
        What :func:`read_tiff_header` returned.
    budget : Budget
        What all directories together may hold; spent on the way.
    path : Path
        The file, for errors.

    Yields
    ------
    mapping of int to Tag
        By the tag's code.

    Raises
    ------
    DamagedSlideError
        If directories form a loop, lie behind the file's end, or exceed the budget.
    UnsuitableSlideError
        If there are more of them than a slide has.
    """
    file.seek(8 if header.big else 4)
    waiting = deque([(read_number(file, header.following) or 0, True)])
    seen: set[int] = set()
    while waiting:
        place, is_page = waiting.popleft()
        if not place:
            continue
        if place in seen:
            raise DamagedSlideError("the TIFF's directories form a loop", path, COPY_AGAIN)
        seen.add(place)
        try:
            entries, following = _read_directory(file, header, place, path)
        except DamagedSlideError:
            if header.ndpi:
                # Where it ends for OpenSlide too, which says what it makes of it.
                return
            raise
        budget.spend(entries, path)
        # Of several entries for one tag the first counts, for libtiff and for tifffile.
        tags = dict(reversed(entries))
        below = tags.get(_SUB_DIRECTORIES)
        if len(seen) + len(waiting) + (0 if below is None else below.count) > MOST_DIRECTORIES:
            raise UnsuitableSlideError(
                f"a TIFF of more than {MOST_DIRECTORIES} pages, not one slide", path
            )
        if below is not None and below.end > header.size:
            raise past_end("the list of directories below a page lies", path)
        yield tags
        if is_page:
            waiting.appendleft((following, True))
        waiting.extend((int(each), False) for each in read_values(file, header, below))


def _read_directory(
    file: BinaryIO, header: TiffHeader, place: int, path: Path
) -> tuple[Entries, int]:
    count = None
    if place < header.size:
        file.seek(place)
        count = read_number(file, header.count)
    start = file.tell()
    end = start + (count or 0) * header.entry + struct.calcsize(header.following)
    if count is None or (count <= _MOST_TAGS and end > header.size):
        raise past_end("its directory lies", path)
    if count > _MOST_TAGS:
        raise DamagedSlideError(f"a TIFF directory claims {count} entries", path, COPY_AGAIN)
    entries = _entries(file.read(count * header.entry), start, header)
    file.seek(start + count * header.entry)
    return entries, read_number(file, header.following) or 0


def past_end(what: str, path: Path) -> DamagedSlideError:
    """Return the error for data that lies behind the file's end.

    Parameters
    ----------
    what : str
        What lies there, with its verb: ``"its directory lies"``.
    path : Path
        The file.
    """
    return DamagedSlideError(
        f"the file is cut off (incomplete copy?): {what} behind its end", path, COPY_AGAIN
    )


def _entries(content: bytes, start: int, header: TiffHeader) -> Entries:
    inline = struct.calcsize(header.offset)
    found = []
    for place in range(0, len(content), header.entry):
        code, kind = struct.unpack_from(header.order + "HH", content, place)
        (count,) = struct.unpack_from(header.offset, content, place + 4)
        value = start + place + 4 + inline
        if count * _SIZES.get(kind, 0) > inline:
            (value,) = struct.unpack_from(header.offset, content, place + 4 + inline)
        found.append((code, Tag(kind, count, value)))
    return found


def read_values(
    file: BinaryIO, header: TiffHeader, tag: Tag | None, most: int | None = None
) -> Numbers:
    """Return the whole numbers of a tag.

    Parameters
    ----------
    file : binary file
        Open.
    header : TiffHeader
        Of the file.
    tag : Tag or None
        None reads nothing.
    most : int, optional
        Most values to read; all if left out.

    Returns
    -------
    ndarray
        int64 ``(n,)``; empty for a tag that holds text or fractions.
    """
    behind = tag is not None and tag.start > header.size
    if tag is None or tag.kind not in _CODES or not tag.count or behind:
        return np.empty(0, np.int64)
    file.seek(tag.start)
    content = file.read((tag.count if most is None else most) * _SIZES[tag.kind])
    dtype = np.dtype(header.order + _CODES[tag.kind])
    whole = len(content) // dtype.itemsize * dtype.itemsize
    return np.frombuffer(content[:whole], dtype).astype(np.int64)


def read_number(file: BinaryIO, code: str) -> int | None:
    """Read one number at the file's position.

    Parameters
    ----------
    file : binary file
        Open.
    code : str
        Its format, as :mod:`struct` writes it.

    Returns
    -------
    int or None
        None at the file's end.
    """
    content = file.read(struct.calcsize(code))
    if len(content) < struct.calcsize(code):
        return None
    return int(struct.unpack(code, content)[0])
