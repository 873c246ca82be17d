"""Tiles that unfold to far more than they may."""

import io
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from jpeg_slide import tissue, write_jpeg_slide
from reading_process import Worker


def with_first_tile(path: Path, stream: bytes) -> bytes:
    """Return the file with other bytes for its first tile, written at its end."""
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path, mode="r+b") as file:
        page = file.pages.first
        for name, value in (("TileOffsets", len(content)), ("TileByteCounts", len(stream))):
            values = list(page.tags[name].value)
            page.tags[name].overwrite([value, *values[1:]])
    return path.read_bytes() + stream


def jpeg_of_gigapixels(folder: Path) -> bytes:
    path = write_jpeg_slide(folder / "jpeg.tif", 300, 300)
    file = io.BytesIO()
    with tifffile.TiffFile(path) as opened:
        page = opened.pages.first
        start, count = page.dataoffsets[0], page.databytecounts[0]
    file.write(path.read_bytes()[start : start + count])
    stream = bytearray(file.getvalue())
    frame = stream.index(b"\xff\xc0") + 5
    stream[frame : frame + 4] = (65_500).to_bytes(2, "big") * 2
    return with_first_tile(path, bytes(stream))


def deflate_of_a_gigabyte(folder: Path) -> bytes:
    path = folder / "deflate.tif"
    tifffile.imwrite(
        path, tissue(300, 300), tile=(64, 64), photometric="rgb", compression="zlib", metadata=None
    )
    packer = zlib.compressobj()
    part = bytes(2**24)
    stream = b"".join(packer.compress(part) for _ in range(64)) + packer.flush()
    return with_first_tile(path, stream)


def webp_of_many_megapixels(folder: Path) -> bytes:
    path = folder / "webp.tif"
    tifffile.imwrite(
        path, tissue(300, 300), tile=(64, 64), photometric="rgb", compression="webp", metadata=None
    )
    return with_first_tile(path, imagecodecs.webp_encode(np.zeros((9000, 9000, 3), np.uint8)))


def jpeg2000_of_many_megapixels(folder: Path) -> bytes:
    path = folder / "jpeg2000.tif"
    tifffile.imwrite(
        path,
        tissue(300, 300),
        tile=(64, 64),
        photometric="rgb",
        compression="jpeg2000",
        metadata=None,
    )
    flat = np.zeros((6000, 6000, 3), np.uint8)
    return with_first_tile(path, imagecodecs.jpeg2k_encode(flat, codecformat="j2k"))


@pytest.mark.parametrize(
    "make",
    [
        jpeg_of_gigapixels,
        deflate_of_a_gigabyte,
        webp_of_many_megapixels,
        jpeg2000_of_many_megapixels,
    ],
)
def test_a_tile_that_unfolds_to_gigabytes_is_refused_before_it_does(make, tmp_path: Path) -> None:
    content = make(tmp_path)
    worker = Worker(tmp_path)
    try:
        answer = worker.read("bomb.tif", content, None)
    finally:
        worker.end()
    assert answer["failure"] is None
    assert "tile 0 of level 0" in answer["refused"]
    assert answer["peak_mb"] < 200
