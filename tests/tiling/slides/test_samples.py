"""Samples beside the colours: alpha in both forms, and what nobody says what it is."""

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from wsiseg.errors import UnsuitableSlideError
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.slides.pixels import Pixels

SHAPE = (96, 128)
LEFT_OUT = "does not say to be alpha"


def picture(samples: int, seed: int = 0) -> Pixels:
    """Return smooth colours, and samples from 0 to 200 beside them."""
    random = np.random.default_rng(seed)
    pixels = np.kron(random.integers(30, 256, (12, 16, samples)), np.ones((8, 8, 1)))
    pixels[..., 3 if samples > 3 else 1 :] = random.integers(0, 200, SHAPE)[..., None]
    return pixels.astype(np.uint8)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("extra", [(0,), (0, 0), (0, 2), (2, 0), (0, 0, 0)])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("tile", [(64, 64), None])
def test_what_is_unspecified_is_left_out(
    compression: str | None, extra: tuple[int, ...], planar: str, tile: object, tmp_path: Path
) -> None:
    pixels = picture(3 + len(extra))
    stored = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0)
    path = tmp_path / "slide.tif"
    options = {"compression": compression, "planarconfig": planar, "tile": tile, "metadata": None}
    tifffile.imwrite(path, stored, photometric="rgb", extrasamples=extra, **options)
    with open_slide(path) as slide:
        shown = slide.read_region(0, Box(0, 0, *SHAPE)).astype(int)
        assert any(LEFT_OUT in said for said in slide.facts.warnings), slide.facts.warnings
        assert "pixels of OpenSlide" not in slide.why
    expected = pixels[..., :3].astype(int)
    if 2 in extra:
        alpha = pixels[..., 3 + extra.index(2), None].astype(int)
        expected = (expected * alpha + 255 * (255 - alpha) + 127) // 255
    assert np.abs(shown - expected).max() <= 1


def test_a_further_component_of_jpeg_is_left_out(tmp_path: Path) -> None:
    flat = np.full((64, 64, 4), (200, 90, 30, 100), np.uint8)
    tile = imagecodecs.jpeg8_encode(flat, colorspace="CMYK", outcolorspace="CMYK", level=98)
    path = tmp_path / "slide.tif"
    options = {"shape": (128, 64, 4), "dtype": "uint8", "tile": (64, 64), "metadata": None}
    options |= {"photometric": "rgb", "compression": "jpeg", "extrasamples": (0,)}
    tifffile.imwrite(path, iter([tile] * 2), **options)
    with open_slide(path) as slide:
        shown = slide.read_region(0, slide.levels[0].box).astype(int)
        assert any(LEFT_OUT in said for said in slide.facts.warnings)
    assert np.abs(shown - (200, 90, 30)).max() <= 2


def test_a_further_component_of_jpeg_2000_is_left_out_unless_it_is_alpha(tmp_path: Path) -> None:
    pixels = np.full((64, 64, 4), (200, 90, 30, 100), np.uint8)
    (tmp_path / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(pixels))
    Image.fromarray(pixels, "RGBA").save(tmp_path / "b.jp2")
    with open_slide(tmp_path / "a.jp2") as slide:
        assert (slide.read_region(0, slide.levels[0].box) == (200, 90, 30)).all()
        assert any(LEFT_OUT in said for said in slide.facts.warnings)
    with open_slide(tmp_path / "b.jp2") as slide:
        assert (slide.read_region(0, Box(0, 0, 1, 1)) == (233, 190, 167)).all()
        assert slide.facts.warnings == ()


@pytest.mark.parametrize("tile", [(64, 64), None])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_deep_samples_are_left_out_too(tile: object, planar: str, tmp_path: Path) -> None:
    deep = picture(4).astype(np.uint16) * 257
    stored = deep if planar == "contig" else np.moveaxis(deep, -1, 0)
    path = tmp_path / "slide.tif"
    options = {"tile": tile, "planarconfig": planar, "compression": "zlib", "metadata": None}
    tifffile.imwrite(path, stored, photometric="rgb", extrasamples=(0,), **options)
    with open_slide(path) as slide:
        shown = slide.read_region(0, Box(0, 0, *SHAPE))
        assert any(LEFT_OUT in said for said in slide.facts.warnings)
    np.testing.assert_array_equal(shown, picture(4)[..., :3])


def test_grey_with_what_is_no_alpha_is_grey(tmp_path: Path) -> None:
    pixels = picture(2)
    path = tmp_path / "slide.tif"
    options = {"tile": (64, 64), "compression": "zlib", "planarconfig": "contig", "metadata": None}
    tifffile.imwrite(path, pixels, photometric="minisblack", extrasamples=(0,), **options)
    with open_slide(path) as slide:
        shown = slide.read_region(0, Box(0, 0, *SHAPE))
        assert any(LEFT_OUT in said for said in slide.facts.warnings)
    np.testing.assert_array_equal(shown, pixels[..., :1].repeat(3, axis=-1))


def test_channels_are_no_colours(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    options = {"tile": (64, 64), "planarconfig": "contig", "metadata": None}
    tifffile.imwrite(path, picture(4), photometric="minisblack", **options)
    with pytest.raises(UnsuitableSlideError, match="4 channels"):
        open_slide(path)


@pytest.mark.parametrize("tile", [(64, 64), None])
def test_colours_above_their_alpha_saturate(tile: object, tmp_path: Path) -> None:
    """Alpha says that they are multiplied by it, and they are not."""
    pixels = picture(4)
    path = tmp_path / "slide.tif"
    options = {"tile": tile, "compression": "zlib", "metadata": None}
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=(1,), **options)
    with open_slide(path) as slide:
        shown = slide.read_region(0, Box(0, 0, *SHAPE)).astype(int)
    colour, alpha = pixels[..., :3].astype(int), pixels[..., 3:].astype(int)
    expected = np.minimum(255, colour + 255 - alpha)
    seen = np.broadcast_to(alpha > 2, expected.shape)
    assert np.abs(shown - expected)[seen].max() <= 2


def test_reported_files(data: Path) -> None:
    nir, associated = (
        data / "reported" / name
        for name in ("extra_unspecified_nir.tif", "assoc_not_premultiplied.tif")
    )
    for reader in ("tifffile", "pillow"):
        with open_slide(nir, reader) as slide:
            shown = slide.read_region(0, slide.levels[0].box)
            assert any(LEFT_OUT in said for said in slide.facts.warnings)
        np.testing.assert_array_equal(shown, tifffile.imread(nir)[..., :3])
    with pytest.raises(ValueError, match="extra channel for alpha"):
        open_slide(nir, "openslide")
    stored = tifffile.imread(associated).astype(int)
    expected = np.minimum(255, stored[..., :3] + 255 - stored[..., 3:])
    for reader in ("openslide", "pillow"):
        with open_slide(associated, reader) as slide:
            shown = slide.read_region(0, slide.levels[0].box).astype(int)
        assert np.abs(shown - expected).max() <= 2
