import shutil
import warnings
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from array_slide import noise
from wsiseg.errors import (
    DamagedSlideError,
    SlideError,
    SlideNotFoundError,
    UnknownFormatError,
    WsisegError,
)
from wsiseg.tiling import Box, open_slide


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("libvips/CMU-1-Small-Region.svs", "tifffile"),
        ("derived/cmu1_aperio_pyramid.svs", "tifffile"),
        ("derived/cmu1_generic_pyramid.tiff", "tifffile"),
        ("derived/cmu1_generic_deflate_nompp.tiff", "tifffile"),
        ("derived/cmu1_ome_pyramid.ome.tiff", "tifffile"),
        ("large_image/yb10kx5k.zstd.tiff", "tifffile"),
        ("openslide_python/😐.svs", "tifffile"),
        ("slideio/test3-DAPI-2-(387).ndpi", "openslide"),
        ("dicom_highdicom/sm_image.dcm", "openslide"),
        ("plain/stardist_histo.jpg", "pillow"),
        ("large_image/grey10kx5k.tif", "tifffile"),
        ("openslide_python/😐.png", "pillow"),
    ],
)
def test_the_reader_that_suits_the_content_takes_a_file_of_any_name(
    slide_file: Callable[[str], Path], name: str, reader: str, tmp_path: Path
) -> None:
    names = [slide_file(name)]
    if not name.endswith(".dcm"):
        # A DICOM slide is a folder of files.
        names += [tmp_path / other for other in ("x.png", "x.svs", "x.tif", "x.jpg", "no ending")]
    for path in names[1:]:
        shutil.copy(names[0], path)
    pixels = []
    for path in names:
        with open_slide(path) as slide:
            assert slide.reader == reader
            assert slide.path == path
            pixels.append(slide.read_region(0, Box(3, 5, 40, 40)))
    for others in pixels[1:]:
        np.testing.assert_array_equal(others, pixels[0])


def test_a_path_may_be_text(tmp_path: Path) -> None:
    Image.new("RGB", (5, 4)).save(tmp_path / "picture.png")
    with open_slide(str(tmp_path / "picture.png")) as slide:
        assert slide.path == tmp_path / "picture.png"


BROKEN = [
    ("broken/empty.svs", DamagedSlideError, "empty"),
    ("broken/cmu1_truncated_50pct.svs", DamagedSlideError, "cut off"),
    ("broken/cmu1_truncated_header.svs", DamagedSlideError, "cut off"),
    ("broken/unopenable.tiff", UnknownFormatError, "52479"),
    ("broken/broken.svs", UnknownFormatError, "no reader"),
    ("broken/text_named.svs", UnknownFormatError, "no reader"),
    ("broken/notanimage.txt", UnknownFormatError, "no reader"),
    ("broken/czi/newCZI_compressed.czi", SlideError, "OpenSlide"),
    ("broken/czi/100x100.czi", SlideError, "OpenSlide"),
    ("dicom_highdicom/sm_image_grayscale.dcm", SlideError, "BitsAllocated"),
    ("dicom_highdicom/sm_image_jpegls.dcm", SlideError, "transfer syntax"),
    ("dicom_highdicom/sm_annotations.dcm", UnknownFormatError, "no whole-slide image"),
    ("pathml/small_dicom.dcm", SlideError, "OpenSlide"),
    ("pathml/smalltif.tif", UnknownFormatError, "values is not stated|stack"),
    ("libvips/multi-channel-z-series.ome.tif", UnknownFormatError, "values is not stated|stack"),
    ("slideio/4D-series.ome.tiff", UnknownFormatError, "values is not stated|stack"),
]


@pytest.mark.parametrize(("name", "kind", "message"), BROKEN)
def test_what_cannot_be_opened_is_said_in_one_line(
    slide_file: Callable[[str], Path], name: str, kind: type[SlideError], message: str
) -> None:
    path = slide_file(name)
    with pytest.raises(kind, match=message) as caught:
        open_slide(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert text.endswith(".")


def test_a_truncated_jpeg_opens_and_cannot_be_read(slide_file: Callable[[str], Path]) -> None:
    with (
        open_slide(slide_file("broken/truncated.jpg")) as slide,
        pytest.raises(DamagedSlideError, match="truncated"),
    ):
        slide.read_region(0, Box(0, 0, 10, 10))


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(SlideNotFoundError, match="no such slide") as caught:
        open_slide(tmp_path / "missing.svs")
    assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(UnknownFormatError, match="no reader"):
        open_slide(tmp_path)


def tiled(**options: object) -> bytes:
    stream = BytesIO()
    pixels = noise(80, 100)
    with tifffile.TiffWriter(stream) as writer:
        for level in (pixels, pixels[::2, ::2].copy()):
            writer.write(
                level,
                tile=(32, 32),
                photometric="rgb",
                metadata=None,
                resolution=(20000, 20000),
                resolutionunit="CENTIMETER",
                **options,
            )
    return stream.getvalue()


def saved(kind: str) -> bytes:
    stream = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 3
    options = {"exif": exif} if kind in ("JPEG", "WEBP") else {}
    Image.fromarray(noise(30, 40)).save(stream, kind, **options)
    return stream.getvalue()


SOUND = {
    "tiled": tiled(),
    "tiled deflate": tiled(compression="zlib"),
    "tiled jpeg": tiled(compression="jpeg"),
    "png": saved("PNG"),
    "jpeg": saved("JPEG"),
    "tiff": saved("TIFF"),
    "webp": saved("WEBP"),
}


def pixel_bytes(kind: str) -> list[int]:
    """Return the places of a file that may be spoiled without touching its directories."""
    content = SOUND[kind]
    if not content.startswith(b"II"):
        return list(range(len(content)))
    with tifffile.TiffFile(BytesIO(content)) as file:
        return [
            index
            for page in file.pages
            for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)
            for index in range(start, start + count)
        ]


def open_and_read(path: Path) -> None:
    with warnings.catch_warnings():
        # Of what is damaged beside the pixels, libraries may warn.
        warnings.simplefilter("ignore")
        with open_slide(path) as slide:
            height, width = slide.levels[0].box.shape
            box = Box(0, 0, min(height, 100), min(width, 100))
            assert slide.read_region(0, box).shape == (*box.shape, 3)


@pytest.mark.parametrize("kind", SOUND)
@given(draw=st.data())
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_spoiled_bytes_are_read_or_refused(kind: str, draw: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(SOUND[kind])
    places = st.sampled_from(pixel_bytes(kind))
    spoiled = st.dictionaries(places, st.integers(0, 255), min_size=1, max_size=6)
    for index, value in draw.draw(spoiled).items():
        content[index] = value
    (tmp_path / "damaged").write_bytes(content)
    with suppress(WsisegError):
        open_and_read(tmp_path / "damaged")


@pytest.mark.parametrize("kind", SOUND)
def test_a_file_that_ends_anywhere_is_read_or_refused(kind: str, tmp_path: Path) -> None:
    content, path = SOUND[kind], tmp_path / "damaged"
    # Directories stand at the beginning and at the end.
    last = len(content) - 1
    for length in {*range(0, 440, 9), *range(0, last, last // 40), *range(last, last - 200, -9)}:
        path.write_bytes(content[:length])
        with suppress(WsisegError):
            open_and_read(path)


@pytest.mark.parametrize("tag", ["ImageWidth", "ImageLength", "TileWidth", "TileLength"])
def test_a_size_that_is_no_number_is_refused(tag: str, tmp_path: Path) -> None:
    content, path = bytearray(SOUND["tiled deflate"]), tmp_path / "damaged"
    with tifffile.TiffFile(BytesIO(content)) as file:
        kind = file.pages.first.tags[tag].offset + 2
    content[kind : kind + 2] = (2).to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(SlideError):
        open_and_read(path)
