import gc
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from array_slide import ArraySlide, noise
from pictures_of_labels import EVERY, grid, read, write_tiff
from wsiseg.annotations.labels import IGNORED
from wsiseg.annotations.pictures import PictureLabels, read_values
from wsiseg.errors import AnnotationError, DataSetError
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.resolution import plane_at_level, plane_at_mpp


@pytest.mark.parametrize("ending", ["png", "tif", "tiff", "bmp", "gif"])
def test_pictures_of_one_channel(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"labels.{ending}"
    Image.fromarray(grid()).save(path)
    np.testing.assert_array_equal(read(path, (61, 83)), grid())


def test_real_tissue_labels_have_three_equal_channels(data: Path) -> None:
    table = {value: value for value in range(8)}
    for path in sorted((data / "breast_ynet" / "trainannot").iterdir()):
        source = PictureLabels(path, table)
        source.check()
        with open_slide(data / "breast_ynet" / "trainrgb" / path.name) as slide:
            plane = plane_at_level(slide, 0)
            labels = source.open(slide, plane).read(Box(100, 100, 90, 80))
        values = np.asarray(Image.open(path))[100:190, 100:180, 0]
        np.testing.assert_array_equal(labels, values)


def test_real_masks_of_0_and_255(data: Path) -> None:
    image = next((data / "glas" / "images").iterdir())
    source = PictureLabels(data / "glas" / "labels" / image.name, {0: 0, 255: 1})
    source.check()
    with open_slide(image, slide_mpp=0.62) as slide:
        plane = plane_at_mpp(slide, 1.24)
        labels = source.open(slide, plane).read(plane.box)
    assert set(np.unique(labels)) == {0, 1}
    assert labels.shape == (plane.height, plane.width)


@pytest.mark.parametrize(("ending", "bits"), [("png", 1), ("png", 2), ("png", 8), ("tif", 8)])
def test_the_place_in_a_palette_counts_not_its_colour(
    ending: str, bits: int, tmp_path: Path
) -> None:
    values = grid(top=2**bits)
    picture = Image.fromarray(values)
    picture.putpalette([7, 7, 7] * 2**bits)
    path = tmp_path / f"palette.{ending}"
    picture.save(path, **({"bits": bits} if ending == "png" else {}))
    with Image.open(path) as saved:
        assert saved.mode == "P"
    np.testing.assert_array_equal(read(path, values.shape), values)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_one_bit_is_0_and_255(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"bits.{ending}"
    marked = grid() > 100
    Image.fromarray(marked).save(path)
    np.testing.assert_array_equal(read(path, marked.shape, {0: 0, 255: 1}), marked.astype(np.uint8))


@pytest.mark.parametrize("tile", [None, (16, 32)])
def test_one_bit_tiffs_in_which_0_is_white(tile: tuple[int, int] | None, tmp_path: Path) -> None:
    path = tmp_path / "white.tif"
    marked = grid() > 100
    tifffile.imwrite(path, ~marked, photometric="miniswhite", tile=tile)
    np.testing.assert_array_equal(read_values(path), np.where(marked, 255, 0))


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_16_bits(ending: str, tmp_path: Path) -> None:
    values = np.array([[0, 256], [300, 65535]], np.uint16)
    path = tmp_path / f"deep.{ending}"
    if ending == "png":
        Image.fromarray(values).save(path)
    else:
        tifffile.imwrite(path, values, byteorder=">")
    np.testing.assert_array_equal(read_values(path), values)
    table = {0: 0, 256: 1, 300: 2, 65535: IGNORED}
    np.testing.assert_array_equal(read(path, (2, 2), table), [[0, 1], [2, IGNORED]])


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tiled_tiff_is_read_tile_by_tile(
    compression: str | None, dtype: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = grid(200, 300).astype(dtype)
    path = tmp_path / "tiled.tif"
    tifffile.imwrite(
        path, values, tile=(32, 48), compression=compression, predictor=compression == "lzw"
    )
    np.testing.assert_array_equal(read(path, (200, 300)), values)
    slide = ArraySlide(np.zeros((200, 300, 3), np.uint8))
    labels = PictureLabels(path, EVERY).open(slide, plane_at_level(slide, 0))
    reads = []
    read_file = tifffile.FileHandle.read
    monkeypatch.setattr(
        tifffile.FileHandle,
        "read",
        lambda file, size: (reads.append(size), read_file(file, size))[1],
    )
    np.testing.assert_array_equal(labels.read(Box(40, 60, 20, 20)), values[40:60, 60:80])
    assert len(reads) == 1
    # The last row and column of tiles reach over the edge.
    np.testing.assert_array_equal(labels.read(Box(190, 290, 10, 10)), values[190:, 290:])
    over = labels.read(Box(190, 290, 30, 30))
    np.testing.assert_array_equal(over[:10, :10], values[190:, 290:])
    assert (over[10:] == IGNORED).all()


def test_a_tiled_tiff_with_three_equal_channels(tmp_path: Path) -> None:
    values = grid()
    path = tmp_path / "rgb.tif"
    tifffile.imwrite(path, np.dstack([values] * 3), tile=(32, 32), photometric="rgb")
    np.testing.assert_array_equal(read(path, values.shape), values)


def test_tiles_that_were_never_written_are_0(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    tiles = (tile for tile in [np.full((32, 32), 5, np.uint8), None, None, None])
    tifffile.imwrite(path, tiles, shape=(64, 64), dtype=np.uint8, tile=(32, 32), compression="zlib")
    expected = np.zeros((64, 64))
    expected[:32, :32] = 5
    np.testing.assert_array_equal(read(path, (64, 64)), expected)


def test_the_finest_level_of_a_pyramid_counts(tmp_path: Path) -> None:
    values = grid(128, 192)
    path = tmp_path / "pyramid.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(values, tile=(64, 64), subifds=1)
        writer.write(values[::2, ::2].copy(), tile=(64, 64), subfiletype=1)
    np.testing.assert_array_equal(read(path, (128, 192)), values)


@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_a_stack_is_refused(tile: tuple[int, int] | None, tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack([grid()] * 3), tile=tile, photometric="minisblack")
    with pytest.raises(AnnotationError, match="stack of images"):
        read_values(path)


def test_the_content_tells_whether_it_is_a_tiff(tmp_path: Path) -> None:
    write_tiff(tmp_path / "labels.png", grid(), 3, tile=(32, 32))
    np.testing.assert_array_equal(read_values(tmp_path / "labels.png"), grid()[::-1, ::-1])
    Image.fromarray(grid()).save(tmp_path / "labels.tif", "PNG")
    np.testing.assert_array_equal(read_values(tmp_path / "labels.tif"), grid())


def test_jpeg_in_a_tiff_is_read_with_a_word(tmp_path: Path) -> None:
    values = np.zeros((64, 64), np.uint8)
    values[:16, :32] = 255
    write_tiff(tmp_path / "a.tif", values, 3, tile=(32, 32), compression="jpeg")
    slide = ArraySlide(np.zeros((64, 64, 3), np.uint8))
    plane = plane_at_level(slide, 0)
    labels = PictureLabels(tmp_path / "a.tif", {0: 0, 255: 1}).open(slide, plane)
    np.testing.assert_array_equal(labels.read(plane.box), values[::-1, ::-1] > 0)
    assert labels.notes == (
        "a.tif is compressed as JPEG, which may have invented values along edges",
    )


def test_files_are_let_go(tmp_path: Path) -> None:
    """An unclosed file would raise a warning, and warnings are errors here."""
    path = tmp_path / "tiled.tif"
    tifffile.imwrite(path, grid(), tile=(32, 32))
    slide = ArraySlide(noise(61, 83))
    labels = PictureLabels(path, EVERY).open(slide, plane_at_level(slide, 0))
    labels.read(Box(0, 0, 5, 5))
    del labels
    gc.collect()


def test_labels_are_read_at_other_resolutions(tmp_path: Path) -> None:
    values = grid(60, 80)
    Image.fromarray(values).save(tmp_path / "labels.png")
    slide = ArraySlide(noise(60, 80), mpp=0.5)
    source = PictureLabels(tmp_path / "labels.png", EVERY)
    thrice = source.open(slide, plane_at_mpp(slide, 1.5)).read(Box(0, 0, 20, 26))
    np.testing.assert_array_equal(thrice, values[1::3, 1:79:3])
    fine = source.open(slide, plane_at_mpp(slide, 0.25)).read(Box(0, 0, 120, 160))
    np.testing.assert_array_equal(fine, values.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("tiled", [False, True])
def test_another_size_is_refused(tiled: bool, tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    tifffile.imwrite(path, grid(), tile=(32, 32) if tiled else None)
    slide = ArraySlide(noise(61, 82))
    plane = plane_at_level(slide, 0)
    with pytest.raises(DataSetError, match="the labels have 83×61 pixels, array has 82×61"):
        PictureLabels(path, EVERY).open(slide, plane)


@pytest.mark.parametrize("tiled", [False, True])
def test_one_pixel_of_an_unknown_value_is_found(tiled: bool, tmp_path: Path) -> None:
    values = np.zeros((3000, 40), np.uint8)
    values[2999, 39] = 77
    path = tmp_path / "labels.tif"
    tifffile.imwrite(path, values, tile=(256, 256) if tiled else None)
    with pytest.raises(AnnotationError, match="value 77, which means no class"):
        PictureLabels(path, {0: 0, 255: 1}).check()


def test_colours_are_refused(tmp_path: Path) -> None:
    Image.fromarray(noise(20, 20)).save(tmp_path / "colours.png")
    with pytest.raises(AnnotationError, match="colours, not classes"):
        PictureLabels(tmp_path / "colours.png", EVERY).check()


def test_16_bit_colours_are_refused(tmp_path: Path) -> None:
    """Pillow would read them and drop the lower bits without a word."""
    rows = np.full((4, 5, 3), 0x0102, ">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return len(content).to_bytes(4) + kind + content + checksum.to_bytes(4)

    header = (5).to_bytes(4) + (4).to_bytes(4) + bytes([16, 2, 0, 0, 0])
    path = tmp_path / "deep.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(AnnotationError, match="mode RGB with 16 bits"):
        read_values(path)


def test_fractions_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "float.tif", grid().astype(np.float32))
    with pytest.raises(AnnotationError, match="float32"):
        read_values(tmp_path / "float.tif")


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_missing_empty_and_other_files(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"labels.{ending}"
    with pytest.raises(AnnotationError, match="no such file"):
        read_values(path)
    for content in (b"", b"no picture at all"):
        path.write_bytes(content)
        with pytest.raises(AnnotationError, match="cannot be read") as caught:
            read_values(path)
        assert caught.value.where == path


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_truncated_picture(ending: str, tiled: bool, tmp_path: Path) -> None:
    path = tmp_path / f"labels.{ending}"
    if ending == "png":
        Image.fromarray(grid(300, 300)).save(path)
    else:
        tile = (64, 64) if tiled else None
        tifffile.imwrite(path, grid(300, 300), tile=tile, compression="zlib")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AnnotationError, match=r"cannot be (read|decoded)"):
        read_values(path)


def test_instances_are_read_as_they_are(data: Path) -> None:
    path = next((data / "glas" / "instances").iterdir())
    values = read_values(path)
    assert values.ndim == 2
    np.testing.assert_array_equal(values, np.asarray(Image.open(path)))
