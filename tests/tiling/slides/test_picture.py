import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from array_slide import noise
from wsiseg.errors import DamagedSlideError, UnknownFormatError
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.slides.picture import PictureSlide
from wsiseg.tiling.slides.pixels import WHITE, Pixels, on_background

RED, CLEAR = (200, 0, 0), (0, 0, 0)


def read(path: Path) -> Pixels:
    with open_slide(path) as slide:
        assert slide.reader == ("tifffile" if path.suffix == ".tif" else "pillow")
        assert len(slide.levels) == 1
        assert slide.levels[0].downsample == 1
        return slide.read_region(0, slide.levels[0].box)


def test_a_picture_is_a_slide_of_one_level(tmp_path: Path) -> None:
    pixels = noise(61, 83)
    Image.fromarray(pixels).save(tmp_path / "a picture.png")
    with open_slide(tmp_path / "a picture.png") as slide:
        assert slide.name == "a picture"
        assert slide.mpp is None
        assert slide.facts.mpp_source is None
        assert slide.facts.vendor == "png"
        np.testing.assert_array_equal(slide.read_region(0, Box(7, 9, 30, 40)), pixels[7:37, 9:49])
        over = slide.read_region(0, Box(50, 80, 20, 20))
        np.testing.assert_array_equal(over[:11, :3], pixels[50:, 80:])
        assert (over[11:] == 255).all()
        assert (over[:, 3:] == 255).all()


def test_grey_and_black_and_white_become_rgb(tmp_path: Path) -> None:
    grey = noise(30, 40)[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read(tmp_path / "grey.png"), np.dstack([grey] * 3))
    two = Image.fromarray(grey).point(lambda v: 255 * (v > 99), "1")
    two.save(tmp_path / "two.png")
    shown = np.where(grey > 99, 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(read(tmp_path / "two.png"), np.dstack([shown] * 3))


def test_alpha_is_laid_on_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (30, 10), (*RED, 255))
    picture.paste((*RED, 51), (10, 0, 20, 10))
    picture.paste((*RED, 0), (20, 0, 30, 10))
    picture.save(tmp_path / "rgba.png")
    shown = read(tmp_path / "rgba.png")
    assert (shown[:, :10] == RED).all()
    assert (shown[:, 10:20] == (244, 204, 204)).all()
    assert (shown[:, 20:] == 255).all()


def test_grey_with_alpha_is_laid_on_white(tmp_path: Path) -> None:
    picture = Image.new("LA", (20, 10), (100, 255))
    picture.paste((100, 0), (10, 0, 20, 10))
    picture.save(tmp_path / "la.png")
    shown = read(tmp_path / "la.png")
    assert (shown[:, :10] == 100).all()
    assert (shown[:, 10:] == 255).all()


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    picture = Image.new("P", (20, 10), 1)
    picture.putpalette([*CLEAR, *RED, 10, 20, 30])
    picture.paste(2, (10, 0, 20, 10))
    picture.save(tmp_path / "plain.png")
    shown = read(tmp_path / "plain.png")
    assert (shown[:, :10] == RED).all()
    assert (shown[:, 10:] == (10, 20, 30)).all()
    picture.save(tmp_path / "clear.png", transparency=2)
    shown = read(tmp_path / "clear.png")
    assert (shown[:, :10] == RED).all()
    assert (shown[:, 10:] == 255).all()


@pytest.mark.parametrize(("mode", "ink", "key"), [("RGB", RED, RED), ("L", 90, 90), ("1", 1, 255)])
def test_a_transparent_colour_is_white(
    mode: str, ink: int | tuple[int, ...], key: int | tuple[int, ...], tmp_path: Path
) -> None:
    picture = Image.new(mode, (20, 10), 0)
    picture.paste(ink, (10, 0, 20, 10))
    picture.save(tmp_path / "key.png", transparency=key)
    shown = read(tmp_path / "key.png")
    assert (shown[:, :10] == 0).all()
    assert (shown[:, 10:] == 255).all()


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (20, 10), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg", quality=100)
    assert np.abs(read(tmp_path / "cmyk.jpg").astype(int) - (255, 0, 0)).max() <= 3


ORIENTATIONS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_pictures_are_turned_upright(orientation: int, ending: str, tmp_path: Path) -> None:
    stored = np.zeros((24, 40, 3), np.uint8)
    stored[:8, :16] = (250, 20, 20)
    stored[16:, 24:] = (20, 20, 250)
    stored[:8, 24:] = (20, 250, 20)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if ending == "jpg" else {}
    path = tmp_path / f"turned.{ending}"
    Image.fromarray(stored).save(path, exif=exif, **options)
    upright = ORIENTATIONS[orientation](stored)
    with open_slide(path) as slide:
        assert slide.levels[0].box.shape == upright.shape[:2]
    assert np.abs(read(path).astype(int) - upright).max() <= 8


def test_the_file_is_decoded_anew_in_a_copy(tmp_path: Path) -> None:
    pixels = noise(40, 50)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    with (
        open_slide(tmp_path / "picture.png") as slide,
        pickle.loads(pickle.dumps(slide)) as copy,
    ):
        slide.read_region(0, Box(0, 0, 4, 4))
        assert copy.facts == slide.facts
        np.testing.assert_array_equal(copy.read_region(0, Box(5, 5, 20, 20)), pixels[5:25, 5:25])


def test_eight_threads_read_what_one_reads(tmp_path: Path) -> None:
    pixels = noise(300, 400)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    random = np.random.default_rng(0)
    boxes = [Box(*map(int, random.integers(1, 200, 4))) for _ in range(100)]
    with open_slide(tmp_path / "picture.png") as slide, ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda box: slide.read_region(0, box), boxes))
    padded = np.pad(pixels, ((0, 200), (0, 200), (0, 0)), constant_values=255)
    for box, part in zip(boxes, together, strict=True):
        np.testing.assert_array_equal(part, padded[box.slices_in(Box(0, 0, 500, 600))])


def test_what_is_returned_belongs_to_the_caller(tmp_path: Path) -> None:
    pixels = noise(20, 20)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    with open_slide(tmp_path / "picture.png") as slide:
        slide.read_region(0, Box(0, 0, 20, 20))[...] = 0
        np.testing.assert_array_equal(slide.read_region(0, Box(0, 0, 20, 20)), pixels)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("samples", [1, 3])
def test_a_tiff_in_strips_is_a_picture(
    compression: str | None, samples: int, tmp_path: Path
) -> None:
    pixels = noise(70, 90) if samples == 3 else noise(70, 90)[..., 0]
    photometric = "rgb" if samples == 3 else "minisblack"
    path = tmp_path / "strips.tif"
    tifffile.imwrite(
        path, pixels, photometric=photometric, compression=compression, rowsperstrip=16
    )
    with PictureSlide(path) as slide:
        np.testing.assert_array_equal(slide.read_region(0, slide.levels[0].box), read(path))
    shown = pixels if samples == 3 else np.dstack([pixels] * 3)
    np.testing.assert_array_equal(read(path), shown)


def test_a_large_grey_tiff_in_strips_is_read(data: Path) -> None:
    path = data / "slides" / "large_image" / "grey10kx5k.tif"
    with open_slide(path) as slide, Image.open(path) as picture:
        assert slide.levels[0].box.shape == (5000, 10000)
        part = np.asarray(picture.crop((4000, 2000, 4300, 2200)))
        shown = slide.read_region(0, Box(2000, 4000, 200, 300))
    np.testing.assert_array_equal(shown, np.dstack([part] * 3))


@pytest.mark.parametrize(
    ("ending", "dtype"),
    [("png", np.uint16), ("tif", np.uint16), ("tif", np.int32), ("tif", np.float32)],
)
def test_more_than_8_bits_are_refused(ending: str, dtype: type, tmp_path: Path) -> None:
    path = tmp_path / f"deep.{ending}"
    if ending == "tif":
        tifffile.imwrite(path, np.zeros((40, 50), dtype))
    else:
        Image.fromarray(np.zeros((40, 50), dtype)).save(path)
    with pytest.raises(UnknownFormatError) as caught:
        open_slide(path)
    assert "range of values is not stated" in str(caught.value)


def save_deep(path: Path, pixels: npt.NDArray[np.uint16], **options: object) -> None:
    if path.suffix == ".png":
        path.write_bytes(imagecodecs.png_encode(pixels))
    elif path.suffix == ".jp2":
        path.write_bytes(imagecodecs.jpeg2k_encode(pixels, reversible=True, level=0, **options))
    elif path.suffix == ".ppm":
        height, width, _ = pixels.shape
        path.write_bytes(f"P6 {width} {height} 65535 ".encode() + pixels.astype(">u2").tobytes())
    else:
        tifffile.imwrite(path, pixels, photometric="rgb", compression="zlib", **options)


SEPARATE = {"planarconfig": "separate"}
TURNED = {"planarconfig": "separate", "extratags": [(274, 3, 1, 6, True)]}


@pytest.mark.parametrize(
    ("name", "channels", "options", "depth"),
    [
        ("a.png", 3, {}, 16),
        ("a.png", 4, {}, 16),
        ("a.jp2", 3, {}, 16),
        ("a.jp2", 3, {"bitspersample": 12}, 12),
        ("a.ppm", 3, {}, 16),
        ("a.tif", 3, SEPARATE, 16),
        ("a.tif", 4, {**SEPARATE, "extrasamples": ["unassalpha"]}, 16),
        ("a.tif", 3, TURNED, 16),
    ],
)
def test_deep_colours_are_scaled_as_everywhere(
    name: str, channels: int, options: dict[str, object], depth: int, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**depth, (40, 50, channels), np.uint16)
    pixels[:4], pixels[4:8] = 2**depth - 1, 0
    stored = np.moveaxis(pixels, -1, 0) if "planarconfig" in options else pixels
    save_deep(tmp_path / name, stored, **options)
    scaled = np.floor(pixels * (255 / (2**depth - 1)) + 0.5).astype(np.uint8)
    expected = on_background(scaled, WHITE)
    with open_slide(tmp_path / name) as slide:
        assert slide.reader == "pillow"
        warned = () if name == "a.ppm" else (f"{depth} bits a channel are scaled to 8",)
        assert slide.facts.warnings == warned
        found = slide.read_region(0, slide.levels[0].box)
    np.testing.assert_array_equal(found, np.rot90(expected, -1) if options is TURNED else expected)


def test_deep_colours_that_their_alpha_has_darkened_keep_their_upper_8_bits(tmp_path: Path) -> None:
    pixels = np.full((40, 50, 4), 2**16 - 1, np.uint16)
    options = {"planarconfig": None, "extrasamples": ["assocalpha"]}
    save_deep(tmp_path / "a.tif", pixels, **options)
    with open_slide(tmp_path / "a.tif") as slide:
        assert slide.facts.warnings == ("16 bits a channel are shown by their upper 8",)
        assert (slide.read_region(0, slide.levels[0].box) == 255).all()


@pytest.mark.parametrize("name", ["a.png", "a.jp2", "a.tif"])
def test_a_deep_picture_that_ends_early_is_damaged(name: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**16, (3, 40, 50), np.uint16)
    stored = pixels if name == "a.tif" else np.moveaxis(pixels, 0, -1).copy()
    save_deep(tmp_path / name, stored, **(SEPARATE if name == "a.tif" else {}))
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedSlideError), open_slide(tmp_path / name) as slide:
        slide.read_region(0, slide.levels[0].box)


@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_a_stack_of_grey_images_is_refused(tile: tuple[int, int] | None, tmp_path: Path) -> None:
    """Focus planes or channels; the first of them would be taken for the slide."""
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, noise(64, 64)[..., 0][None].repeat(5, axis=0), tile=tile)
    with pytest.raises(UnknownFormatError) as caught:
        open_slide(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_channels_of_an_ome_tiff_are_refused(tile: tuple[int, int] | None, tmp_path: Path) -> None:
    path = tmp_path / "channels.ome.tif"
    stack = noise(64, 64).transpose(2, 0, 1)
    tifffile.imwrite(path, stack, tile=tile, photometric="minisblack", metadata={"axes": "CYX"})
    with pytest.raises(UnknownFormatError):
        open_slide(path)


def test_a_film_is_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(noise(20, 20, seed)) for seed in range(3)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(UnknownFormatError):
        open_slide(tmp_path / "film.gif")


def test_a_picture_with_a_thumbnail_is_one_picture(tmp_path: Path) -> None:
    pixels = noise(64, 80)
    path = tmp_path / "thumbnail.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(pixels, photometric="rgb", metadata=None)
        writer.write(pixels[::4, ::4].copy(), photometric="rgb", subfiletype=1, metadata=None)
    np.testing.assert_array_equal(read(path), pixels)


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "bmp"])
def test_a_truncated_picture_is_damaged(ending: str, tmp_path: Path) -> None:
    whole, path = tmp_path / f"whole.{ending}", tmp_path / f"cut.{ending}"
    Image.fromarray(noise(200, 200)).save(whole)
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])

    def open_and_read() -> None:
        with open_slide(path) as slide:
            slide.read_region(0, Box(0, 0, 200, 200))

    with pytest.raises(DamagedSlideError) as caught:
        open_and_read()
    assert caught.value.where == path
    assert "\n" not in str(caught.value)


def test_a_read_error_does_not_spoil_the_slide(tmp_path: Path) -> None:
    path = tmp_path / "picture.bmp"
    Image.fromarray(noise(200, 200)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:30000])
    with open_slide(path) as slide:
        with pytest.raises(DamagedSlideError):
            slide.read_region(0, Box(0, 0, 9, 9))
        path.write_bytes(whole)
        np.testing.assert_array_equal(slide.read_region(0, Box(0, 0, 200, 200)), noise(200, 200))


def test_a_picture_too_large_for_memory_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.new("1", (40_000, 20_000)).save(path)
    with pytest.raises(DamagedSlideError, match="too large") as caught:
        PictureSlide(path)
    assert "tiled TIFF" in str(caught.value)


def test_a_large_picture_is_read_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (10_000, 9_000), 1).save(path)
    with open_slide(path) as slide:
        assert slide.levels[0].box.shape == (9000, 10_000)
