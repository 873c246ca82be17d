"""Labels lie as their picture does, whatever orientation either states."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from array_slide import ArraySlide, noise
from pictures_of_labels import EVERY, grid, read, write_tiff
from wsiseg.annotations.pictures import PictureLabels, read_values
from wsiseg.errors import DataSetError
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.resolution import plane_at_level

TURNS = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.T,
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].T,
    8: lambda stored: np.rot90(stored, 1),
}


TIFFS: dict[str, dict[str, object]] = {
    "striped": {"rowsperstrip": 7},
    "tiled": {"tile": (16, 32)},
    "tiled, zlib": {"tile": (16, 32), "compression": "zlib"},
    "palette": {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)},
    "OME": {"ome": True, "tile": (32, 32)},
    "16 bits": {"dtype": np.uint16},
    "32 bits": {"dtype": np.uint32, "tile": (32, 16)},
    "big": {"bigtiff": True},
    "three channels": {"channels": True, "photometric": "rgb"},
    "three planes": {"channels": True, "photometric": "rgb", "planarconfig": "separate"},
    "three planes of tiles": {
        "channels": True,
        "photometric": "rgb",
        "planarconfig": "separate",
        "tile": (16, 16),
    },
}


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("kind", list(TIFFS))
def test_tiffs_are_turned_as_their_tag_says(kind: str, tag: int, tmp_path: Path) -> None:
    path = tmp_path / ("turned.ome.tif" if kind == "OME" else "turned.tif")
    write_tiff(path, grid(), tag, **TIFFS[kind])
    upright = TURNS[tag](grid())
    np.testing.assert_array_equal(read_values(path), upright)
    slide = ArraySlide(np.zeros((*upright.shape, 3), np.uint8))
    plane = plane_at_level(slide, 0)
    labels = PictureLabels(path, EVERY).open(slide, plane)
    part = Box(11, 5, 30, 40)
    np.testing.assert_array_equal(labels.read(part), upright[part.slices_in(plane.box)])


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_pngs_are_turned_as_their_tag_says(mode: str, tag: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = tag
    values = grid() if mode != "1" else np.where(grid() > 100, 255, 0).astype(np.uint8)
    picture = Image.fromarray(values)
    if mode == "P":
        picture.putpalette([7, 7, 7] * 256)
    (picture.convert("1") if mode == "1" else picture).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_values(tmp_path / "a.png"), TURNS[tag](values))


@pytest.mark.parametrize("tag", range(1, 9))
def test_a_mask_fits_its_picture_whatever_both_are(tag: int, tmp_path: Path) -> None:
    """What is drawn on the upright picture is where it was drawn, however either is stored."""
    stored = noise(61, 83)
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="rgb", extratags=[(274, "H", 1, tag, True)]
    )
    with open_slide(tmp_path / "a.tif") as slide:
        plane = plane_at_level(slide, 0)
        seen = slide.read_region(0, plane.box)[..., 0]
        write_tiff(tmp_path / "b.tif", stored[..., 0], tag, tile=(32, 32))
        write_tiff(tmp_path / "c.tif", seen, None, tile=(32, 32))
        for name in ("b", "c"):
            labels = PictureLabels(tmp_path / f"{name}.tif", EVERY).open(slide, plane)
            np.testing.assert_array_equal(labels.read(plane.box), seen)


@pytest.mark.parametrize("folder", ["labels_png", "labels_tif_striped", "labels_tif_tiled"])
def test_reported_labels_lie_as_their_picture(data: Path, folder: str) -> None:
    """All three were drawn on the same picture, which is stored upside down."""
    place = data / "reported" / "orient"
    path = next((place / folder).iterdir())
    stored = np.asarray(Image.open(path)) if path.suffix == ".png" else tifffile.imread(path)
    upright = stored[::-1, ::-1]
    with open_slide(place / "images" / "a.tif") as slide:
        plane = plane_at_level(slide, 0)
        labels = PictureLabels(path, {0: 0, 1: 1}).open(slide, plane).read(plane.box)
    np.testing.assert_array_equal(labels, upright)
    assert not np.array_equal(labels, stored)


def test_a_tag_that_only_one_of_two_has(tmp_path: Path) -> None:
    write_tiff(tmp_path / "labels.tif", grid(), 6)
    slide = ArraySlide(noise(61, 83))
    with pytest.raises(DataSetError, match=r"have 61×83 pixels, array has 83×61.*Orientation tag"):
        PictureLabels(tmp_path / "labels.tif", EVERY).open(slide, plane_at_level(slide, 0))


def test_an_upright_picture_and_a_turned_one(tmp_path: Path) -> None:
    """Viewers turn both; what was drawn on the upright picture has its size."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(grid(20, 30)).save(tmp_path / "labels.png", exif=exif)
    np.testing.assert_array_equal(
        read(tmp_path / "labels.png", (30, 20)), np.rot90(grid(20, 30), -1)
    )
