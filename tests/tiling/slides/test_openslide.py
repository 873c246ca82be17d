import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile

from array_slide import noise
from spoiling import spoil_tile
from wsiseg.errors import DamagedSlideError, UnknownFormatError
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.slides.openslide import OpenSlideSlide
from wsiseg.tiling.slides.pixels import Pixels


def test_a_hamamatsu_slide_has_its_sizes_and_pixels(slide_file: Callable[[str], Path]) -> None:
    path = slide_file("slideio/test3-DAPI-2-(387).ndpi")
    with open_slide(path) as slide:
        assert slide.reader == "openslide"
        assert slide.name == "test3-DAPI-2-(387)"
        assert slide.facts.vendor == "hamamatsu"
        assert slide.mpp == pytest.approx(0.2282, abs=1e-4)
        assert slide.facts.mpp_source == "openslide.mpp"
        assert slide.facts.associated == ("macro",)
        shapes = [(4864 >> level, 3968 >> level, 2.0**level) for level in range(7)]
        assert [(v.height, v.width, v.downsample) for v in slide.levels] == shapes
        handle = openslide.OpenSlide(path)
        for level in (0, 2, 5):
            box = Box(10, 20, 40, 50)
            corner = round(20 * 2**level), round(10 * 2**level)
            expected = handle.read_region(corner, level, (50, 40)).convert("RGB")
            np.testing.assert_array_equal(slide.read_region(level, box), np.asarray(expected))
        handle.close()
        coarse = slide.read_region(6, slide.levels[6].box)
        # Fluorescence: blue on black.
        assert coarse[..., 2].max() > 3 * coarse[..., 0].max()


@pytest.mark.parametrize(
    ("name", "shape", "mpp"),
    [
        ("dicom_google/multi_frame_jpeg_camelyon_challenge_image.dcm", (700, 1152), 28.97),
        ("dicom_highdicom/sm_image.dcm", (50, 50), 0.499),
        ("openslide_python/boxes_0.dcm", (16, 16), 0.499),
    ],
)
def test_a_dicom_slide_has_its_size(
    slide_file: Callable[[str], Path], name: str, shape: tuple[int, int], mpp: float
) -> None:
    with open_slide(slide_file(name)) as slide:
        assert slide.reader == "openslide"
        assert slide.facts.vendor == "dicom"
        assert slide.levels[0].box.shape == shape
        assert slide.mpp == pytest.approx(mpp, rel=1e-3)
        whole = slide.read_region(0, Box(-5, -5, shape[0] + 10, shape[1] + 10))
        assert whole.shape == (shape[0] + 10, shape[1] + 10, 3)
        assert len(np.unique(whole[5:-5, 5:-5])) > 5
        assert (whole[:5] == slide.facts.background).all()
        assert (whole[:, -5:] == slide.facts.background).all()


def test_a_coarse_level_is_not_displaced(tmp_path: Path) -> None:
    """OpenSlide takes the corner in pixels of level 0, which are a quarter of this level's."""

    def wave(length: int) -> np.ndarray:
        return np.abs(np.arange(length) % 40 - 20.0) * 10 + 20

    # The level is rounded down, so OpenSlide counts 4.003 pixels for one of its.
    coarse = np.maximum(wave(1000)[:, None], wave(1000)[None]).astype(np.uint8)
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as writer:
        options = {"tile": (256, 256), "photometric": "rgb", "metadata": None}
        writer.write(np.zeros((4003, 4003, 3), np.uint8), compression="zlib", **options)
        writer.write(np.dstack([coarse] * 3), subfiletype=1, compression="zlib", **options)
    with OpenSlideSlide(path) as slide:
        assert slide.levels[1].downsample == 4
        for y, x in ((0, 0), (5, 900), (500, 499), (951, 951)):
            box = Box(y, x, 40, 40)
            part = slide.read_region(1, box)[..., 0].astype(int)
            cut = box.slices_in(slide.levels[1].box)
            # Half a pixel of level 0 is an eighth of this level's, along which the wave goes 1.25.
            assert np.abs(part - coarse[cut])[1:-1, 1:-1].max() <= 4


def test_a_handle_that_an_error_has_killed_is_replaced(
    slide_file: Callable[[str], Path], tmp_path: Path
) -> None:
    """OpenSlide refuses all further reading after one error."""
    source = slide_file("derived/cmu1_aperio_pyramid.svs")
    spoil_tile(Path(shutil.copyfile(source, tmp_path / "slide.svs")), 2, 3)
    bad = Box(2 * 256 + 10, 3 * 256 + 10, 20, 20)
    good = Box(5 * 256, 4 * 256, 100, 100)
    with OpenSlideSlide(source) as whole, OpenSlideSlide(tmp_path / "slide.svs") as slide:
        for _ in range(2):
            with pytest.raises(DamagedSlideError) as caught:
                slide.read_region(0, bad)
            assert str(bad.y) in str(caught.value)
            np.testing.assert_array_equal(slide.read_region(0, good), whole.read_region(0, good))


def test_what_openslide_does_not_know_is_said(slide_file: Callable[[str], Path]) -> None:
    with pytest.raises(UnknownFormatError):
        OpenSlideSlide(slide_file("broken/truncated.jpg"))
    with pytest.raises(UnknownFormatError, match="OpenSlide cannot open it"):
        OpenSlideSlide(slide_file("broken/unopenable.tiff"))


def test_what_one_thread_cannot_read_spoils_nothing_for_the_others(tmp_path: Path) -> None:
    """An error kills OpenSlide's handle for all of them."""
    pixels = noise(256, 512)
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, pixels, tile=(64, 64), photometric="rgb", compression="zlib")
    spoil_tile(path, 1, 1)
    boxes = [Box(64 * (k // 8), 64 * (k % 8), 64, 64) for k in range(32)]

    def read(slide: OpenSlideSlide, box: Box) -> Pixels | None:
        try:
            return slide.read_region(0, box)
        except DamagedSlideError:
            return None

    with OpenSlideSlide(path) as slide, ThreadPoolExecutor(8) as pool:
        for index, found in enumerate(pool.map(partial(read, slide), boxes * 5)):
            box = boxes[index % 32]
            if index % 32 == 9:
                assert found is None
            else:
                np.testing.assert_array_equal(found, pixels[box.slices_in(Box(0, 0, 256, 512))])
