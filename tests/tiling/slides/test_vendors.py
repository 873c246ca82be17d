"""Formats of which the test data have no file, written here as their makers do."""

import shutil
import struct
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

import vendor_slides as made
from tiny import segment_tiny
from vendor_slides import Builder, patches
from wsiseg.errors import DamagedSlideError, UnknownFormatError, UnsuitableSlideError
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.slides.openslide import OpenSlideSlide
from wsiseg.tiling.slides.pixels import Pixels
from zeiss_slide import zeiss

VENDORS = [
    ("aperio", made.aperio, "tifffile", 0.25, "aperio.MPP"),
    ("philips", made.philips, "openslide", 0.25, "openslide.mpp"),
    ("leica", made.leica, "openslide", 0.5, "openslide.mpp"),
    ("trestle", made.trestle, "openslide", 0.5, "tiff.Resolution"),
    ("ventana", partial(made.ventana, stitched=False), "openslide", 0.465, "openslide.mpp"),
    ("ventana", partial(made.ventana, stitched=True), "openslide", 0.465, "openslide.mpp"),
    ("hamamatsu", made.hamamatsu_vms, "openslide", 0.25, "openslide.mpp"),
    ("mirax", made.mirax, "openslide", 0.25, "openslide.mpp"),
    ("zeiss", zeiss, "openslide", 0.25, "openslide.mpp"),
    ("perkinelmer", made.perkinelmer, "tifffile", 0.5, "tiff.Resolution"),
]


@pytest.mark.parametrize(("vendor", "build", "reader", "mpp", "source"), VENDORS)
def test_a_vendors_slide_has_its_pixels_levels_and_resolution(
    vendor: str, build: Builder, reader: str, mpp: float, source: str, tmp_path: Path
) -> None:
    with open_slide(build(tmp_path)) as slide:
        assert slide.facts.vendor == vendor
        assert slide.reader == reader
        assert slide.mpp == pytest.approx(mpp)
        assert slide.facts.mpp_source == source
        assert [level.downsample for level in slide.levels][:2] == [1, 2]
        scanned = slide.facts.bounds or slide.levels[0].box
        off = np.abs(slide.read_region(0, scanned).astype(int) - patches()).max()
        assert off <= (2 if vendor in ("hamamatsu", "mirax") else 0)


@pytest.mark.parametrize(
    ("vendor", "build", "tag"),
    [
        ("leica", made.leica, "TileWidth"),
        ("trestle", made.trestle, "TileWidth"),
        ("philips", made.philips, "Compression"),
    ],
)
def test_a_damaged_slide_of_a_vendor_is_not_shown_as_a_picture(
    vendor: str, build: Builder, tag: str, tmp_path: Path
) -> None:
    path = build(tmp_path)
    with tifffile.TiffFile(path) as file:
        entry = file.pages.first.tags[tag]
    # Another tag's code, or a method that nobody reads.
    spoil(path, entry.offset if tag == "TileWidth" else entry.valueoffset)
    with pytest.raises(DamagedSlideError, match=f"file of {vendor}, and OpenSlide"):
        open_slide(path)


def test_a_damaged_ndpi_is_not_shown_as_a_picture(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "slide.ndpi"
    shutil.copyfile(data / "slides/slideio/test3-DAPI-2-(387).ndpi", path)
    with tifffile.TiffFile(path) as file:
        first = file.pages.first
    # Where the second directory lies.
    spoil(path, first.offset + 2 + 12 * len(first.tags))
    with pytest.raises(DamagedSlideError, match="file of hamamatsu, and OpenSlide"):
        open_slide(path)
    with path.open("r+b") as content:
        content.truncate(path.stat().st_size * 7 // 10)
    with pytest.raises(DamagedSlideError, match="file of hamamatsu, and OpenSlide"):
        open_slide(path)


def spoil(path: Path, place: int) -> None:
    with path.open("r+b") as content:
        content.seek(place)
        content.write((60_000).to_bytes(2, "little"))


@pytest.mark.parametrize(
    ("ycbcr", "reader", "off"), [(True, "openslide", 4), (False, "tifffile", 0)]
)
def test_both_forms_of_aperios_jpeg_2000_have_their_colours(
    ycbcr: bool, reader: str, off: int, tmp_path: Path
) -> None:
    path = made.aperio_jpeg2000(tmp_path, ycbcr=ycbcr)
    with open_slide(path) as slide, OpenSlideSlide(path) as theirs:
        assert slide.reader == reader
        pixels = slide.read_region(0, slide.levels[0].box)
        np.testing.assert_array_equal(pixels, theirs.read_region(0, slide.levels[0].box))
    assert np.abs(pixels.astype(int) - patches()).max() <= off


@pytest.mark.parametrize("compression", ["none", "jpeg", "lzw", "zlib", "zstd"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_generic_pyramids_are_read_as_openslide_reads_them(
    compression: str, bigtiff: bool, tmp_path: Path
) -> None:
    options = {"bigtiff": bigtiff, "compression": compression, "subfile": 1}
    path = made.write_pyramid(tmp_path / "slide.tif", **options)
    with open_slide(path) as ours, OpenSlideSlide(path) as theirs:
        assert ours.reader == "tifffile"
        assert ours.levels == theirs.levels
        assert len(ours.levels) == 2
        for level, frame in enumerate(ours.levels):
            np.testing.assert_array_equal(
                ours.read_region(level, frame.box), theirs.read_region(level, frame.box)
            )


@pytest.mark.parametrize("compression", ["webp", "jpeg2000"])
def test_what_openslide_does_not_decode_is_read_all_the_same(
    compression: str, tmp_path: Path
) -> None:
    lossless = {"compressionargs": {"lossless": True}} if compression == "webp" else {}
    path = made.write_pyramid(tmp_path / "slide.tif", compression=compression, **lossless)
    with pytest.raises(UnknownFormatError, match="Unsupported TIFF compression"):
        OpenSlideSlide(path)
    with open_slide(path) as slide:
        assert "does not read" in slide.why
        for level, frame in enumerate(slide.levels):
            pixels = slide.read_region(level, frame.box)
            np.testing.assert_array_equal(pixels, patches()[:: level + 1, :: level + 1])


def test_channels_are_refused_by_their_names(tmp_path: Path) -> None:
    with pytest.raises(UnsuitableSlideError, match=r"2 images \(DAPI, Opal 520\)") as caught:
        open_slide(made.perkinelmer(tmp_path, "DAPI", "Opal 520"))
    assert "RGB" in str(caught.value)


@pytest.mark.parametrize("tile", [None, (64, 64)])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_16_bit_colour_is_scaled_to_8_bits(
    tile: tuple[int, int] | None, compression: str | None, byteorder: str, tmp_path: Path
) -> None:
    deep = np.random.default_rng(0).integers(0, 2**16, (150, 200, 3), np.uint16)
    path = tmp_path / "deep.tif"
    options = {"tile": tile, "compression": compression, "byteorder": byteorder}
    tifffile.imwrite(path, deep, photometric="rgb", **options)
    with open_slide(path) as slide:
        assert slide.reader == "tifffile"
        assert "16 bits" in slide.facts.warnings[0]
        shown = slide.read_region(0, Box(10, 20, 100, 130))
    np.testing.assert_array_equal(shown, ((deep + 128.0) // 257)[10:110, 20:150])


@pytest.mark.parametrize("samples", [1, 2, 5])
def test_channels_without_a_rule_to_colour_are_refused(samples: int, tmp_path: Path) -> None:
    deep = np.zeros((150, 200, samples), np.uint16)
    path = tmp_path / "deep.tif"
    kind = {"photometric": "minisblack", "planarconfig": "contig"} if samples > 1 else {}
    tifffile.imwrite(path, deep if samples > 1 else deep[..., 0], tile=(64, 64), **kind)
    with pytest.raises(ValueError, match=r"range of values|stack"):
        open_slide(path)


def test_a_level_without_pixels_is_not_used(tmp_path: Path) -> None:
    path = made.write_pyramid(tmp_path / "slide.tif", compression=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        tag = file.pages[1].tags["TileByteCounts"]
        tag.overwrite([0] * tag.count)
    with open_slide(path) as slide:
        assert [level.box.shape for level in slide.levels] == [(512, 512)]
        assert slide.facts.warnings == ("level 1 of the file has no pixels and is not used",)
        np.testing.assert_array_equal(slide.read_region(0, slide.levels[0].box), patches())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Box]]:
    """Return what OpenSlide is asked for."""
    boxes: list[tuple[int, Box]] = []
    read = OpenSlideSlide._read_piece

    def listen(slide: OpenSlideSlide, level: int, box: Box) -> Pixels:
        boxes.append((level, box))
        return read(slide, level, box)

    monkeypatch.setattr(OpenSlideSlide, "_read_piece", listen)
    return boxes


BOUNDED = [
    (made.leica, (1600, 2000), made.LEICA_PLACE, 0),
    (made.mirax, (1536, 2048), made.MIRAX_PLACE, 2),
]


Bounded = tuple[Builder, tuple[int, int], tuple[int, int], int]
every_bounded = pytest.mark.parametrize("made_slide", BOUNDED, ids=["leica", "mirax"])


@every_bounded
def test_only_what_was_scanned_is_read(
    made_slide: Bounded, tmp_path: Path, asked: list[tuple[int, Box]]
) -> None:
    build, shape, place, off = made_slide
    scanned = Box(*place, 512, 512)
    with open_slide(build(tmp_path)) as slide:
        assert slide.levels[0].box.shape == shape
        assert slide.facts.bounds == scanned
        whole = slide.read_region(0, slide.levels[0].box).astype(int)
        expected = np.full((*shape, 3), 255)
        expected[scanned.slices_in(slide.levels[0].box)] = patches()
        assert np.abs(whole - expected).max() <= off
        assert (slide.read_region(0, Box(0, 0, 300, 300)) == 255).all()
        half = slide.read_region(1, slide.levels[1].box).astype(int)
        assert np.abs(half - expected[::2, ::2]).max() <= off
    parts = {0: scanned, 1: scanned.reduced(2)}
    assert all(box.intersection(parts[level]) == box for level, box in asked)
    # Each pixel once.
    for level, part in parts.items():
        assert sum(box.area for at, box in asked if at == level) == part.area


@every_bounded
def test_a_mask_lies_where_the_slide_was_scanned(
    made_slide: Bounded, tmp_path: Path, asked: list[tuple[int, Box]]
) -> None:
    build, shape, place, _ = made_slide
    scanned = Box(*place, 512, 512)
    mask = segment_tiny(build(tmp_path), tmp_path / "out", level=0)
    labels = zarr.open_array(mask / "0", mode="r")[:]
    assert labels.shape == shape
    inside = labels[scanned.slices_in(Box(0, 0, *shape))]
    assert (inside != 255).all()
    # Tiles are analysed whole, but none of which nothing was scanned.
    assert (labels != 255).mean() < 0.5
    assert all(box.intersection(scanned) == box for level, box in asked if level == 0)
    notes = zarr.open_group(mask, mode="r").attrs["wsiseg"]
    assert notes["bounds"] == {"y": place[0], "x": place[1], "height": 512, "width": 512}


def test_a_slide_of_many_files_is_told_from_another(tmp_path: Path) -> None:
    prints = []
    for name, mpp in (("a", "0.25"), ("b", "0.25"), ("c", "0.26")):
        (tmp_path / name).mkdir()
        path = made.mirax(tmp_path / name)
        facts = path.with_suffix("") / "Slidedat.ini"
        facts.write_text(facts.read_text().replace("X=0.25", f"X={mpp}"))
        with open_slide(path) as slide:
            prints.append(slide.fingerprint())
    assert prints[0] == prints[1] != prints[2]


def test_a_slide_without_any_pixels_is_damaged(tmp_path: Path) -> None:
    """OpenSlide opens it, and says that its levels are 0 pixels wide."""
    path = made.ventana(tmp_path, stitched=True)
    path.write_bytes(path.read_bytes().replace(b"TileJointInfo", b"TileJoin_Info", 1))
    with pytest.raises(DamagedSlideError, match="without pixels"):
        open_slide(path)


@pytest.mark.parametrize(
    ("place", "number"),
    # Of the first subblock's X: where it begins, its size, in how many pixels it is stored.
    [(36, 2**30), (40, 0), (48, 0), (48, 2**30)],
)
def test_an_absurd_subblock_is_refused_before_openslide_dies_of_it(
    place: int, number: int, tmp_path: Path
) -> None:
    path = zeiss(tmp_path)
    content = bytearray(path.read_bytes())
    entry = content.index(b"ZISRAWDIRECTORY") + 32 + 128
    struct.pack_into("<i", content, entry + place, number)
    path.write_bytes(content)
    with pytest.raises(DamagedSlideError, match="CZI's directory is damaged"):
        open_slide(path)
