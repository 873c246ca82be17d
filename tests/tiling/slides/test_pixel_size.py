from pathlib import Path

import pytest
import tifffile

import vendor_slides as made
from wsiseg.tiling import open_slide
from wsiseg.tiling.slides.ome_xml import read_ome
from wsiseg.tiling.slides.openslide import OpenSlideSlide
from wsiseg.tiling.slides.pixel_size import PixelSize, choose_pixel_size, from_resolution

VENDOR, OME, TAGS = (PixelSize(v, v, name) for v, name in ((0.25, "a"), (0.5, "b"), (1.0, "c")))
ABSURD = PixelSize(352.8, 352.8, "d")


def test_the_first_that_makes_sense_is_believed() -> None:
    assert choose_pixel_size((VENDOR, OME, TAGS)) is VENDOR
    assert choose_pixel_size((None, OME, TAGS)) is OME
    assert choose_pixel_size((ABSURD, None, TAGS)) is TAGS
    assert choose_pixel_size((None, ABSURD)) is ABSURD
    assert choose_pixel_size((None, None)) is None


CENTIMETRES = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}


@pytest.mark.parametrize(
    ("stated", "mpp", "source"),
    [
        ("0.25", 0.25, "aperio.MPP"),
        ("0", 0.5, "tiff.Resolution"),
        ("1000", 0.5, "tiff.Resolution"),
        ("no number", 0.5, "tiff.Resolution"),
    ],
)
def test_aperios_field_comes_before_the_tags(
    stated: str, mpp: float, source: str, tmp_path: Path
) -> None:
    path = made.aperio(tmp_path, stated, **CENTIMETRES)
    with open_slide(path) as slide, OpenSlideSlide(path) as theirs:
        assert (slide.reader, slide.mpp) == ("tifffile", pytest.approx(mpp))
        assert slide.facts.mpp_source == source
        assert theirs.mpp == pytest.approx(mpp)


@pytest.mark.parametrize(("size", "source"), [(0.25, "ome.PhysicalSize"), (0, "tiff.Resolution")])
def test_ome_comes_before_the_tags(size: float, source: str, tmp_path: Path) -> None:
    path = tmp_path / "slide.ome.tif"
    names = ("PhysicalSizeX", "PhysicalSizeY")
    metadata = {"axes": "YXS", **dict.fromkeys(names, size)}
    options = {**made.LOSSLESS, **CENTIMETRES, "metadata": metadata}
    tifffile.imwrite(path, made.patches(), **options)
    for reader in ("tifffile", "openslide"):
        with open_slide(path, reader) as slide:
            assert slide.mpp == pytest.approx(size or 0.5)
            assert slide.facts.mpp_source == source


def size_in_ome(stated: str) -> PixelSize | None:
    sizes = 'SizeZ="1" SizeT="1" SizeC="1"'
    (image,) = read_ome(f"<OME><Image ID='i'><Pixels {sizes} {stated}/></Image></OME>")
    return image.pixel_size


def test_what_is_written_is_read() -> None:
    stated = 'PhysicalSizeX="250" PhysicalSizeXUnit="nm" PhysicalSizeY="0.5"'
    assert size_in_ome(stated) == PixelSize(0.5, 0.25, "ome.PhysicalSize")
    assert size_in_ome('PhysicalSizeX="0.25"') is None
    assert size_in_ome('PhysicalSizeX="1" PhysicalSizeY="1" PhysicalSizeYUnit="pixel"') is None
    assert from_resolution("50800", 25400, "inch") == PixelSize(0.5, 1.0, "tiff.Resolution")
    assert from_resolution(1, 1, "none") is None
    assert from_resolution(0, 1, "inch") is None
    assert from_resolution(-4, 4, "inch") is None
