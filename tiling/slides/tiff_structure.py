"""Validation of the directories of a TIFF, before any library follows them.

A few bytes can declare 65,535 pages, tiles of 16 GiB or a list of directories that forms a
loop; libtiff under OpenSlide then ends the process, tifffile takes minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from wsiseg.errors import DamagedSlideError
from wsiseg.tiling.slides.tiff_directories import (
    COPY_AGAIN,
    COUNTS,
    DESCRIPTION,
    JPEG_TABLES,
    OFFSETS,
    Budget,
    Numbers,
    Tags,
    TiffHeader,
    is_tiff,
    past_end,
    read_tiff_header,
    read_values,
    walk_directories,
)

__all__ = ["LARGEST_TILE", "check_structure", "is_tiff"]

LARGEST_TILE = 2**26
"""Pixels of one file tile; the largest that are in use have a quarter of it."""

_LONGEST_TEXT = 2**23
"""Bytes of a description; the XML in it takes twenty times as many when it is read."""

_WIDTH, _LENGTH, _TILE_WIDTH, _TILE_LENGTH = 256, 257, 322, 323
_SIDES = {
    _WIDTH: "width",
    _LENGTH: "height",
    _TILE_WIDTH: "tile width",
    _TILE_LENGTH: "tile height",
}


def check_structure(path: Path, *, every_tag: bool = False) -> None:
    """Refuse a TIFF whose directories are damaged or implausible; ignore other files.

    Parameters
    ----------
    path : Path
        The file.
    every_tag : bool
        Count the content of tags that only Pillow reads too.

    Raises
    ------
    DamagedSlideError
        If a directory or pixels lie behind the file's end, or sizes are implausible.
    UnsuitableSlideError
        If there are more directories than a slide has.
    """
    budget = Budget(content=2**27, every_tag=True) if every_tag else Budget()
    with path.open("rb") as file:
        header = read_tiff_header(file)
        if header is None:
            return
        for number, tags in enumerate(walk_directories(file, header, budget, path)):
            _check_sides(number, tags, file, header, path)
            if header.ndpi:
                # Only OpenSlide knows how Hamamatsu stores the upper half of an offset.
                continue
            _check_places(number, tags, file, header, path)


def _check_sides(index: int, tags: Tags, file: BinaryIO, header: TiffHeader, path: Path) -> None:
    """Refuse a page with an implausible size, tile size or number of tiles."""
    text = tags.get(DESCRIPTION)
    if text is not None and text.size > _LONGEST_TEXT:
        raise DamagedSlideError(
            f"the description of page {index} claims {text.size} bytes", path, COPY_AGAIN
        )
    sides = {}
    for code, name in _SIDES.items():
        for side in read_values(file, header, tags.get(code), most=1).tolist():
            if not 0 < side < 2**31:
                raise DamagedSlideError(f"the {name} of page {index} is {side}", path, COPY_AGAIN)
            sides[code] = side
    tile = sides.get(_TILE_WIDTH, 1), sides.get(_TILE_LENGTH, 1)
    if tile[0] * tile[1] > LARGEST_TILE:
        raise DamagedSlideError(
            f"the tiles of page {index} claim {tile[0]}×{tile[1]} pixels each", path, COPY_AGAIN
        )
    if _TILE_WIDTH in sides and _TILE_LENGTH in sides:
        across, down = (
            -(-sides.get(side, 1) // sides[edge])
            for side, edge in ((_WIDTH, _TILE_WIDTH), (_LENGTH, _TILE_LENGTH))
        )
        if across * down > Budget.listed:
            raise DamagedSlideError(
                f"page {index} claims {across}×{down} tiles, more than any slide has",
                path,
                COPY_AGAIN,
            )


def _check_places(index: int, tags: Tags, file: BinaryIO, header: TiffHeader, path: Path) -> None:
    """Refuse a page of which something lies behind the file's end."""
    # Private tags may point anywhere, as no library follows them.
    for code in (DESCRIPTION, JPEG_TABLES, *_SIDES, *OFFSETS, *COUNTS):
        if code in tags and tags[code].end > header.size:
            raise past_end(f"tag {code} of page {index} lies", path)
    for offsets, counts in zip(OFFSETS, COUNTS, strict=True):
        starts = read_values(file, header, tags.get(offsets))
        lengths = read_values(file, header, tags.get(counts))
        _check_extent(starts, lengths, header.size, path)


def _check_extent(starts: Numbers, lengths: Numbers, size: int, path: Path) -> None:
    shared = min(len(starts), len(lengths))
    if not shared:
        return
    # Before they are added, as sums of what is absurd would wrap around.
    absurd = any(v.min() < 0 or v.max() > size for v in (starts, lengths))
    last = int((starts[:shared] + lengths[:shared]).max())
    if absurd or last > size:
        declared = "far behind its end" if absurd else f"up to byte {last}"
        raise DamagedSlideError(
            f"the file is cut off (incomplete copy?): pixels {declared} are declared, "
            f"it has {size} bytes",
            path,
            COPY_AGAIN,
        )
