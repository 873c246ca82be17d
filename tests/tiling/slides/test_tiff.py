import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from array_slide import noise
from spoiling import spoil_tile
from wsiseg.errors import DamagedSlideError, WsisegError
from wsiseg.tiling import Box, Slide, open_slide
from wsiseg.tiling.slides.openslide import OpenSlideSlide
from wsiseg.tiling.slides.picture import PictureSlide
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.slides.tiff import TiffSlide

CMU = "libvips/CMU-1-Small-Region.svs"
PYRAMIDS = [
    "derived/cmu1_aperio_pyramid.svs",
    "derived/cmu1_generic_pyramid.tiff",
    "derived/cmu1_generic_deflate_nompp.tiff",
]
THREE_LEVELS = [(2967, 2220, 1.0), (1483, 1110, 2.0), (741, 555, 4.0)]


def boxes_of(slide: Slide, level: int, count: int = 12) -> list[Box]:
    """Return boxes at random, at corners, over every edge, and outside."""
    height, width = slide.levels[level].box.shape
    random = np.random.default_rng(level)
    inside = [
        Box(
            int(random.integers(height)),
            int(random.integers(width)),
            int(random.integers(1, 300)),
            int(random.integers(1, 300)),
        )
        for _ in range(count)
    ]
    return [
        *inside,
        Box(0, 0, 1, 1),
        Box(height - 1, width - 1, 1, 1),
        Box(height - 50, width - 50, 120, 120),
        Box(-30, -40, 100, 100),
        Box(-30, width - 20, 60, 60),
        Box(height // 2, -10, 3, width + 20),
        Box(height + 5, 10, 20, 20),
    ]


@pytest.mark.parametrize(
    ("name", "off"),
    [
        *((name, 0) for name in (CMU, *PYRAMIDS)),
        ("openslide_python/boxes.tiff", 0),
        ("openslide_python/small.svs", 0),
        ("large_image/test_orient1.tif", 0),
        ("large_image/yb10kx5k.zstd.tiff", 0),
        ("pathml/small_HE_levels.tiff", 0),
        # OpenSlide rounds twice where there is alpha.
        ("large_image/rgba_geotiff.tiff", 1),
    ],
)
def test_both_slide_readers_give_the_same_pixels(
    slide_file: Callable[[str], Path], name: str, off: int
) -> None:
    with TiffSlide(slide_file(name)) as ours, OpenSlideSlide(slide_file(name)) as theirs:
        assert ours.levels == theirs.levels
        assert ours.facts.vendor == theirs.facts.vendor
        assert ours.facts.tile_shape == theirs.facts.tile_shape
        # Within a coarser level OpenSlide begins between two pixels, except at the very corner.
        corners = [
            (level, Box(0, 0, *(min(600, v) for v in ours.levels[level].box.shape)))
            for level in range(1, len(ours.levels))
        ]
        for level, box in [*((0, box) for box in boxes_of(ours, 0, 30)), *corners]:
            one, other = ours.read_region(level, box), theirs.read_region(level, box)
            assert np.abs(one.astype(int) - other).max() <= off, (level, box)


@pytest.mark.parametrize("name", [CMU, *PYRAMIDS, "derived/cmu1_ome_pyramid.ome.tiff"])
def test_parts_are_cut_from_the_whole_level(slide_file: Callable[[str], Path], name: str) -> None:
    with TiffSlide(slide_file(name)) as slide, tifffile.TiffFile(slide_file(name)) as file:
        levels = file.series[0].levels
        assert len(levels) == len(slide.levels)
        for level, page in enumerate(levels):
            whole = page.asarray()
            frame = slide.levels[level].box
            assert whole.shape == (*frame.shape, 3)
            for box in boxes_of(slide, level):
                pixels, met = slide.read_region(level, box), box.intersection(frame)
                assert pixels.shape == (*box.shape, 3)
                outside = np.ones(box.shape, bool)
                if met.area:
                    np.testing.assert_array_equal(
                        pixels[met.slices_in(box)], whole[met.slices_in(frame)]
                    )
                    outside[met.slices_in(box)] = False
                assert (pixels[outside] == slide.facts.background).all()


@pytest.mark.parametrize(
    ("name", "levels", "mpp", "source", "vendor"),
    [
        (CMU, THREE_LEVELS[:1], 0.499, "aperio.MPP", "aperio"),
        ("derived/cmu1_aperio_pyramid.svs", THREE_LEVELS, 0.499, "aperio.MPP", "aperio"),
        (
            "derived/cmu1_generic_pyramid.tiff",
            THREE_LEVELS,
            0.499,
            "tiff.Resolution",
            "generic-tiff",
        ),
        (
            "derived/cmu1_generic_deflate_nompp.tiff",
            [(1483, 1110, 1.0), (741, 555, 2.0)],
            None,
            None,
            "generic-tiff",
        ),
        ("derived/cmu1_ome_pyramid.ome.tiff", THREE_LEVELS, 0.499, "ome.PhysicalSize", "ome-tiff"),
        (
            "openslide_python/boxes.tiff",
            [(250, 300, 1.0), (125, 150, 2.0), (62, 75, 4.0), (31, 37, 8.0)],
            352.8,
            "tiff.Resolution",
            "generic-tiff",
        ),
    ],
)
def test_levels_and_resolution_are_the_files(
    slide_file: Callable[[str], Path],
    name: str,
    levels: list[tuple[int, int, float]],
    mpp: float | None,
    source: str | None,
    vendor: str,
) -> None:
    with open_slide(slide_file(name)) as slide:
        assert slide.reader == "tifffile"
        assert [(v.height, v.width, v.downsample) for v in slide.levels] == levels
        assert slide.mpp == (None if mpp is None else pytest.approx(mpp, rel=1e-3))
        assert slide.facts.mpp_source == source
        assert slide.facts.vendor == vendor


def test_what_else_a_slide_tells(slide_file: Callable[[str], Path]) -> None:
    with open_slide(slide_file(CMU)) as slide:
        assert slide.name == "CMU-1-Small-Region"
        assert slide.facts.tile_shape == (240, 240)
        assert slide.facts.compression == "jpeg"
        assert slide.facts.associated == ("thumbnail", "label", "macro")
        assert slide.facts.background == (255, 255, 255)


def write_tiff(path: Path, pixels: Pixels, **options: object) -> Path:
    options = {"tile": (32, 48), "photometric": "rgb", "compression": "zlib", **options}
    tifffile.imwrite(path, pixels, **options)
    return path


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
@pytest.mark.parametrize("predictor", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_lossless_files_give_their_pixels(
    tmp_path: Path, compression: str | None, predictor: bool, byteorder: str, bigtiff: bool
) -> None:
    pixels = noise(101, 131)
    path = write_tiff(
        tmp_path / "slide.tif",
        pixels,
        compression=compression,
        predictor=predictor and compression is not None,
        byteorder=byteorder,
        bigtiff=bigtiff,
    )
    with open_slide(path) as slide:
        assert slide.reader == "tifffile"
        np.testing.assert_array_equal(slide.read_region(0, Box(0, 0, 101, 131)), pixels)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_grey_tiles_become_rgb(tmp_path: Path, photometric: str) -> None:
    grey = noise(90, 70)[..., 0]
    path = write_tiff(tmp_path / "grey.tif", grey, photometric=photometric)
    with open_slide(path) as slide:
        pixels = slide.read_region(0, Box(0, 0, 90, 70))
    shown = grey if photometric == "minisblack" else 255 - grey
    np.testing.assert_array_equal(pixels, np.repeat(shown[..., None], 3, axis=-1))


def test_alpha_is_laid_on_the_background(tmp_path: Path) -> None:
    pixels = np.zeros((64, 96, 4), np.uint8)
    pixels[..., 0] = 200
    pixels[:, :48, 3] = 255
    pixels[:32, 48:, 3] = 51
    path = write_tiff(tmp_path / "alpha.tif", pixels, extrasamples=["unassalpha"])
    with open_slide(path) as slide:
        shown = slide.read_region(0, Box(0, 0, 64, 96))
    assert (shown[:, :48] == (200, 0, 0)).all()
    assert (shown[32:, 48:] == 255).all()
    # A fifth of (200, 0, 0) and four fifths of white.
    assert (shown[:32, 48:] == (244, 204, 204)).all()


def test_premultiplied_alpha_is_laid_on_the_background(tmp_path: Path) -> None:
    pixels = np.zeros((64, 96, 4), np.uint8)
    pixels[...] = (40, 0, 0, 51)
    path = write_tiff(tmp_path / "alpha.tif", pixels, extrasamples=["assocalpha"])
    with open_slide(path) as slide:
        shown = slide.read_region(0, Box(0, 0, 64, 96))
    assert np.abs(shown.astype(int) - (244, 204, 204)).max() <= 1


def test_ycbcr_without_jpeg_is_shown_in_its_colours(tmp_path: Path) -> None:
    # Y, Cb, Cr of pure red, with limits 0 to 255.
    pixels = np.empty((64, 96, 3), np.uint8)
    pixels[...] = (76, 85, 255)
    path = write_tiff(tmp_path / "ycbcr.tif", pixels, photometric="ycbcr", subsampling=(1, 1))
    try:
        with open_slide(path) as slide:
            shown = slide.read_region(0, Box(0, 0, 64, 96))
    except WsisegError:
        return
    assert np.abs(shown.astype(int) - (254, 0, 0)).max() <= 3


@pytest.mark.parametrize("unit", ["CENTIMETER", "INCH"])
def test_resolution_tags_are_in_their_unit(tmp_path: Path, unit: str) -> None:
    per_unit = {"CENTIMETER": 10000, "INCH": 25400}[unit]
    path = write_tiff(
        tmp_path / "slide.tif",
        noise(64, 64),
        resolution=(per_unit / 0.5, per_unit / 0.5),
        resolutionunit=unit,
    )
    with open_slide(path) as slide:
        assert slide.mpp == pytest.approx(0.5, rel=1e-4)
        assert slide.facts.mpp_source == "tiff.Resolution"


def test_resolution_tags_without_a_unit_say_nothing(tmp_path: Path) -> None:
    path = write_tiff(
        tmp_path / "slide.tif", noise(64, 64), resolution=(4, 4), resolutionunit="NONE"
    )
    with open_slide(path) as slide:
        assert slide.mpp is None
        assert slide.facts.mpp_source is None


@pytest.mark.parametrize(("unit", "size"), [("µm", 0.25), ("nm", 250.0), ("mm", 0.00025)])
def test_ome_sizes_are_in_their_unit(tmp_path: Path, unit: str, size: float) -> None:
    path = tmp_path / "slide.ome.tif"
    tifffile.imwrite(
        path,
        noise(64, 64),
        tile=(32, 32),
        photometric="rgb",
        metadata={
            "axes": "YXS",
            "PhysicalSizeX": size,
            "PhysicalSizeXUnit": unit,
            "PhysicalSizeY": size,
            "PhysicalSizeYUnit": unit,
        },
    )
    with open_slide(path) as slide:
        assert slide.mpp == pytest.approx(0.25)
        assert slide.facts.mpp_source == "ome.PhysicalSize"


def test_levels_in_plain_pages_and_in_sub_directories_are_the_same(tmp_path: Path) -> None:
    levels = [noise(201, 303), noise(100, 151), noise(50, 75)]
    for subifds in (False, True):
        path = tmp_path / f"{subifds}.tif"
        with tifffile.TiffWriter(path) as writer:
            for index, pixels in enumerate(levels):
                writer.write(
                    pixels,
                    tile=(64, 64),
                    photometric="rgb",
                    compression="zlib",
                    subifds=2 if subifds and not index else None,
                    subfiletype=1 if index else 0,
                    metadata=None,
                )
        with open_slide(path) as slide:
            assert [level.box.shape for level in slide.levels] == [v.shape[:2] for v in levels]
            assert [level.downsample for level in slide.levels] == [1, 2, 4]
            for level, pixels in enumerate(levels):
                np.testing.assert_array_equal(
                    slide.read_region(level, slide.levels[level].box), pixels
                )


def test_a_missing_file_tile_is_background(tmp_path: Path) -> None:
    pixels = noise(64, 96)
    path = write_tiff(tmp_path / "slide.tif", pixels, compression=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        counts = list(file.pages.first.databytecounts)
        counts[1] = 0
        file.pages.first.tags["TileByteCounts"].overwrite(counts)
    with open_slide(path) as slide:
        shown = slide.read_region(0, Box(0, 0, 64, 96))
    assert (shown[:32, 48:] == 255).all()
    np.testing.assert_array_equal(shown[32:], pixels[32:])
    np.testing.assert_array_equal(shown[:, :48], pixels[:, :48])


def test_a_damaged_file_tile_spoils_only_itself(tmp_path: Path) -> None:
    pixels = noise(64, 96)
    path = write_tiff(tmp_path / "slide.tif", pixels)
    spoil_tile(path, 0, 1)
    with open_slide(path) as slide:
        for _ in range(2):
            with pytest.raises(DamagedSlideError, match="tile 1 of level 0") as caught:
                slide.read_region(0, Box(0, 40, 20, 20))
            assert caught.value.where == path
            np.testing.assert_array_equal(slide.read_region(0, Box(32, 0, 32, 96)), pixels[32:])


@pytest.mark.parametrize("reader", [TiffSlide, OpenSlideSlide])
def test_a_slide_of_which_nothing_can_be_read_opens_and_stays_open(
    slide_file: Callable[[str], Path], reader: type[Slide]
) -> None:
    with reader(slide_file("broken/unreadable.svs")) as slide:
        assert slide.levels[0].box.shape == (16, 16)
        for _ in range(3):
            with pytest.raises(DamagedSlideError) as caught:
                slide.read_region(0, Box(0, 0, 16, 16))
            assert "\n" not in str(caught.value)
        outside = slide.read_region(0, Box(20, 20, 4, 4))
        assert (outside == slide.facts.background).all()


@pytest.mark.parametrize("keep", [0.999, 0.9, 0.5])
def test_a_file_that_ends_early_is_refused_when_it_is_opened(tmp_path: Path, keep: float) -> None:
    pixels = noise(200, 200)
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as writer:
        # The directory of the first level stands before the pixels of the second.
        for level in (pixels, pixels[::2, ::2]):
            writer.write(level, tile=(64, 64), photometric="rgb", metadata=None)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(DamagedSlideError, match="cut off") as caught:
        open_slide(path)
    assert caught.value.hint


@pytest.mark.parametrize("reader", [TiffSlide, OpenSlideSlide])
def test_eight_threads_read_what_one_reads(
    slide_file: Callable[[str], Path], reader: type[Slide]
) -> None:
    path = slide_file("derived/cmu1_aperio_pyramid.svs")
    with reader(path) as slide, reader(path) as other:
        wanted = [(level, box) for level in range(3) for box in boxes_of(slide, level, 30)]
        np.random.default_rng(0).shuffle(wanted)
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda item: slide.read_region(*item), wanted))
        for (level, box), pixels in zip(wanted, together, strict=True):
            np.testing.assert_array_equal(pixels, other.read_region(level, box))


@pytest.mark.parametrize("reader", [TiffSlide, OpenSlideSlide])
def test_a_pickled_slide_is_the_same_slide(
    slide_file: Callable[[str], Path], reader: type[Slide]
) -> None:
    with reader(slide_file(CMU)) as slide:
        box = Box(1000, 900, 200, 300)
        pixels = slide.read_region(0, box)
        sent = pickle.dumps(slide)
    with pickle.loads(sent) as copy:
        assert type(copy) is reader
        assert copy.facts == slide.facts
        np.testing.assert_array_equal(copy.read_region(0, box), pixels)


def test_what_is_returned_belongs_to_the_caller(tmp_path: Path) -> None:
    pixels = noise(64, 96)
    with open_slide(write_tiff(tmp_path / "slide.tif", pixels)) as slide:
        for box in (Box(0, 0, 32, 48), Box(5, 5, 40, 60)):
            slide.read_region(0, box)[...] = 0
            cut = box.slices_in(Box(0, 0, 64, 96))
            np.testing.assert_array_equal(slide.read_region(0, box), pixels[cut])


@pytest.mark.parametrize("reader", [TiffSlide, OpenSlideSlide, PictureSlide])
def test_closing_twice_does_no_harm(tmp_path: Path, reader: type[Slide]) -> None:
    path = write_tiff(tmp_path / "slide.tif", noise(64, 96))
    with reader(path) as slide:
        slide.read_region(0, Box(0, 0, 5, 5))
        slide.close()
