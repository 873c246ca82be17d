"""The slide's pixels beside its mask: every one that can be read, and each read once."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from array_slide import noise
from jpeg_slide import write_jpeg_slide
from spoiling import spoil_tile
from wsiseg.store.images import write_image
from wsiseg.store.metadata import Placement
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.reading import read_working_box
from wsiseg.tiling.resolution import WorkingPlane, plane_at_level, plane_at_mpp
from wsiseg.tiling.slides import Slide, tiled, with_slide_mpp
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.slides.tiff_tiles import TiffTiles
from zarr_images import write_image as write_zarr

EDGE = 64
"""Of the file's tiles."""


def write_copy(root: Path, slide: Slide, plane: WorkingPlane) -> tuple[Pixels, list[Box]]:
    """Write the image, and return its finest level with what is white in it."""
    (root / "labels" / "segmentation").mkdir(parents=True)
    unread = write_image(root, slide, plane, Placement(plane.mpp, plane.slide_scale), {})
    stored = zarr.open_array(root / "0", mode="r")
    return np.moveaxis(np.asarray(stored[:]), 0, -1), unread


def jpeg(path: Path) -> Path:
    return write_jpeg_slide(path, 700, 900, tile=EDGE)


def turned(path: Path) -> Path:
    tag = [(274, 3, 1, 6, True)]
    options = {"tile": (EDGE, EDGE), "photometric": "rgb", "metadata": None, "extratags": tag}
    tifffile.imwrite(path, noise(900, 700), compression="zlib", **options)
    return path


def oblong(path: Path) -> Path:
    """Write pixels that are twice as high as wide."""
    options = {"tile": (EDGE, EDGE), "photometric": "rgb", "metadata": None}
    resolution = {"resolution": (40_000, 20_000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, noise(350, 900), compression="zlib", **options, **resolution)
    return path


def store(path: Path) -> Path:
    write_zarr(path, [np.moveaxis(noise(700, 900), -1, 0)], mpp=(0.5, 0.5))
    return path


def spoil_second_of_third_row(path: Path) -> None:
    spoil_tile(path, 2, 1)


def spoil_chunk(path: Path) -> None:
    (path / "0" / "c" / "1" / "2" / "1").write_bytes(b"spoilt")


UPRIGHT = Box(2 * EDGE, EDGE, EDGE, EDGE)
# Its rows run from right to left.
LYING = Box(EDGE, 900 - 3 * EDGE, EDGE, EDGE)


@pytest.mark.parametrize(
    ("build", "spoil", "reader", "white"),
    [
        (jpeg, spoil_second_of_third_row, "tifffile", UPRIGHT),
        (jpeg, spoil_second_of_third_row, "openslide", UPRIGHT),
        (turned, spoil_second_of_third_row, "tifffile", LYING),
        (oblong, spoil_second_of_third_row, "tifffile", Box(4 * EDGE, EDGE, 2 * EDGE, EDGE)),
        (store, spoil_chunk, "omezarr", UPRIGHT),
    ],
)
@pytest.mark.parametrize("mpp", [None, 0.7, 1.0])
def test_only_what_is_damaged_is_white(
    build: Callable[[Path], Path],
    spoil: Callable[[Path], None],
    reader: str,
    white: Box,
    mpp: float | None,
    tmp_path: Path,
) -> None:
    path = build(tmp_path / "slide")

    def look(slide: Slide) -> WorkingPlane:
        if mpp is None:
            return plane_at_level(slide, 0)
        return plane_at_mpp(with_slide_mpp(slide, 0.5, override=True), mpp)

    with open_slide(path, reader) as slide:
        plane = look(slide)
        sound = read_working_box(slide, plane, plane.box)
    spoil(path)
    with open_slide(path, reader) as slide:
        pixels, unread = write_copy(tmp_path / "image", slide, look(slide))
    scale = plane.level_scale
    assert unread == [white.reduced(scale)]
    # Resampled, pixels around it are partly made of it.
    rim = 0 if mpp is None and build is not oblong else 2
    place = white.reduced(scale)
    inner = slice(place.y + rim, place.bottom - rim), slice(place.x + rim, place.right - rim)
    outer = slice(place.y - rim, place.bottom + rim), slice(place.x - rim, place.right + rim)
    assert (pixels[inner] == 255).all()
    assert (sound[inner] < 255).any()
    pixels[outer] = sound[outer]
    np.testing.assert_array_equal(pixels, sound)


def test_every_file_tile_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for what two rows of shards share."""
    monkeypatch.setattr("wsiseg.store.images.BAND_HEIGHT", 150)
    monkeypatch.setattr("wsiseg.store.images.SHARD_WIDTH", 250)
    monkeypatch.setattr(tiled, "CACHE_BYTES", 900 * 400 * 3)
    decoded: Counter[int] = Counter()
    decode = TiffTiles.decode

    def counted(self: TiffTiles, data: bytes, index: int, reduction: int = 1) -> Pixels:
        decoded[index] += 1
        return decode(self, data, index, reduction)

    with open_slide(jpeg(tmp_path / "slide.tif")) as slide:
        plane = plane_at_level(slide, 0)
        sound = read_working_box(slide, plane, plane.box)
    monkeypatch.setattr(TiffTiles, "decode", counted)
    with open_slide(tmp_path / "slide.tif") as slide:
        pixels, unread = write_copy(tmp_path / "image", slide, plane)
    assert unread == []
    np.testing.assert_array_equal(pixels, sound)
    assert set(decoded.values()) == {1}
    assert len(decoded) == 11 * 15
