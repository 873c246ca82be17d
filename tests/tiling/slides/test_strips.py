"""TIFFs in strips: any part of them without the rest."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from array_slide import noise
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.slides.tiff_tiles import TiffTiles

PIXELS = noise(300, 200)
PART = Box(130, 40, 30, 50)
CUT = PART.slices_in(Box(0, 0, 300, 200))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return which strips are decoded."""
    indices: list[int] = []
    decode = TiffTiles.decode

    def listen(tiles: TiffTiles, data: bytes, index: int, reduction: int = 1) -> Pixels:
        indices.append(index)
        return decode(tiles, data, index, reduction)

    monkeypatch.setattr(TiffTiles, "decode", listen)
    return indices


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits", "zstd"])
def test_strips_are_decoded_one_by_one(
    compression: str, tmp_path: Path, decoded: list[int]
) -> None:
    path = tmp_path / "strips.tif"
    tifffile.imwrite(path, PIXELS, photometric="rgb", compression=compression, rowsperstrip=16)
    with open_slide(path) as slide:
        assert slide.reader == "tifffile"
        assert slide.facts.tile_shape == (16, 200)
        np.testing.assert_array_equal(slide.read_region(0, PART), PIXELS[CUT])
        assert decoded == [8, 9]
        np.testing.assert_array_equal(slide.read_region(0, slide.levels[0].box), PIXELS)


@pytest.mark.parametrize("rows", [16, 300])
@pytest.mark.parametrize("grey", [False, True])
def test_what_is_not_compressed_is_not_decoded_at_all(
    rows: int, grey: bool, tmp_path: Path, decoded: list[int]
) -> None:
    path = tmp_path / "strips.tif"
    stored = PIXELS[..., 0] if grey else PIXELS
    photometric = "minisblack" if grey else "rgb"
    tifffile.imwrite(path, stored, photometric=photometric, rowsperstrip=rows)
    shown = np.dstack([stored] * 3) if grey else stored
    with open_slide(path) as slide:
        np.testing.assert_array_equal(slide.read_region(0, PART), shown[CUT])
        np.testing.assert_array_equal(slide.read_region(0, slide.levels[0].box), shown)
    assert decoded == []


def test_one_long_strip_that_is_compressed_is_decoded_once_by_pillow(tmp_path: Path) -> None:
    path = tmp_path / "strip.tif"
    pixels = np.zeros((2100, 2000, 3), np.uint8)
    pixels[::3] = 200
    tifffile.imwrite(path, pixels, photometric="rgb", compression="zlib", rowsperstrip=2100)
    with open_slide(path) as slide:
        assert slide.reader == "pillow"
        np.testing.assert_array_equal(slide.read_region(0, Box(900, 900, 40, 40)), pixels[:40, :40])
