"""Damage where it is wanted."""

from pathlib import Path

import tifffile


def spoil_tile(path: Path, row: int, column: int) -> None:
    """Put zeros in place of one file tile of the finest level of a TIFF, as the file lies."""
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        index = row * -(-page.imagewidth // page.tilewidth) + column
        start, length = page.dataoffsets[index], page.databytecounts[index]
    with path.open("r+b") as stream:
        stream.seek(start)
        stream.write(bytes(length))
