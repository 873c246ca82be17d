"""What descriptions of TIFFs say of a pixel's size, in whatever way they say it."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

import vendor_slides as made
from wsiseg.tiling import open_slide
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.slides.descriptions import from_aperio, from_imagej, text_of
from wsiseg.tiling.slides.lengths import micrometres, number
from wsiseg.tiling.slides.ome_xml import OmeXmlError, read_ome

TAGS = {"resolution": (2400, 2400), "resolutionunit": "INCH"}
READERS = ("tifffile", "openslide", "pillow")


@pytest.mark.parametrize(
    ("text", "mpp"),
    [
        ("|MPP = 0.4990|", 0.499),
        ("|MPP = 0,4990|", 0.499),
        ("|MPP=0,25", 0.25),
        ("|mpp = .25|", 0.25),
        ("|MPP : 2.5e-1|", 0.25),
        ("|MPP = 0.25 µm|", 0.25),
        ("|MPP = 0.25um/px|", 0.25),
        ("|MPP = 250 nm|", 0.25),
        ("|MPP = 0.25 μm|", 0.25),
        ("|MPP = 0.25 Âµm|", 0.25),
        ("|MPP = 1,234.5|", 1234.5),
        ("|MPP = 1.234,5|", 1234.5),
        ("|MPP = 0.25\0\0|", 0.25),
        ('|MPP = "0.25"|', 0.25),
        ("|OriginalMPP = 9|MPP = 0.25|", 0.25),
        ("|MPP = 0.25|MPP = 0.25|", 0.25),
        ("|MPP = 0.25|MPP = 0.5|", 0.5),
        ("|MPP = |", None),
        ("|MPP = nan|", None),
        ("|AppMag = 20|", None),
    ],
)
def test_aperios_field_is_read_as_people_write_it(text: str, mpp: float | None) -> None:
    size, _ = from_aperio("Aperio Image Library v11\r\n512x512" + text)
    assert (size and size.mpp) == (mpp and pytest.approx(mpp))


def test_numbers_and_units() -> None:
    assert number("0,499") == number("0.499") == number(" 0.499\0") == 0.499
    assert number("1,000,000") == 1e6
    assert [number(text) for text in ("", ",", "1.2.3,4,5x", "inf", None)] == [None] * 5
    units = {"µm": 0.5, "μm": 0.5, "um": 0.5, "microns": 0.5, "micrometre": 0.5}
    units |= {
        "nm": 500,
        "mm": 5e-4,
        "cm": 5e-5,
        "m": 5e-7,
        "Å": 5000,
        "\u212b": 5000,
        "angstrom": 5000,
    }
    units |= {"in": 0.5 / 25400, "inch": 0.5 / 25400, "\\u00B5m": 0.5, "nanometers": 500}
    for unit, length in units.items():
        assert micrometres(length, unit) == pytest.approx(0.5), unit
    for unit in ("pixel", "reference frame", "", "s", "Mm?"):
        assert micrometres(1, unit) is None


def mpp_by_reader(path: Path) -> dict[str, float | None]:
    found = {}
    for reader in READERS:
        with open_slide(path, reader) as slide:
            found[reader] = slide.mpp
    return found


@pytest.mark.parametrize(
    ("name", "mpp"),
    [("kfbio_bytes_res.svs", 0.48449), ("comma_mpp.svs", 0.499), ("dot_mpp.svs", 0.499)],
)
def test_reported_aperio_files(name: str, mpp: float, data: Path) -> None:
    path = data / "reported" / name
    assert mpp_by_reader(path) == dict.fromkeys(READERS, pytest.approx(mpp))
    with open_slide(path) as slide:
        assert (slide.facts.mpp_source, slide.facts.vendor) == ("aperio.MPP", "aperio")
        assert slide.facts.warnings == ()


@pytest.mark.parametrize("byte", [b"\xb5", b"\x8d", b"\xff", "µ".encode()])
def test_a_byte_that_is_no_utf8_loses_nothing(byte: bytes, tmp_path: Path) -> None:
    """And the tags, which say 10.58 µm, do not come before the vendor."""
    path = made.aperio(tmp_path, "0,2500|User = K?|Unit = ?m", **TAGS)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"K?|", b"K" + byte[:1] + b"|"))
    assert mpp_by_reader(path) == dict.fromkeys(READERS, pytest.approx(0.25))


def test_what_is_not_believed_is_said(tmp_path: Path) -> None:
    with open_slide(made.aperio(tmp_path, "1000", **TAGS)) as slide:
        assert slide.mpp == pytest.approx(25400 / 2400)
        assert any("aperio.MPP states pixels of 1000 µm" in each for each in slide.facts.warnings)


def test_openslides_other_word_is_said(tmp_path: Path) -> None:
    """It takes the last of two fields, and believes no unit; the tags of OME-TIFF it believes."""
    path = tmp_path / "slide.ome.tif"
    sizes = dict.fromkeys(("PhysicalSizeX", "PhysicalSizeY"), 0.25)
    tifffile.imwrite(
        path,
        made.patches(),
        **{**made.LOSSLESS, **TAGS, "metadata": {"axes": "YXS", **sizes}},
    )
    for reader in READERS:
        with open_slide(path, reader) as slide:
            assert slide.mpp == 0.25
            (said,) = slide.facts.warnings
            assert said.startswith("OpenSlide states 10.58")


def test_wherever_both_open_a_file_they_agree_or_it_is_said(data: Path) -> None:
    compared = 0
    for path in sorted((data / "slides").rglob("*")) + sorted((data / "reported").glob("*.*")):
        if path.suffix.lower() not in (".svs", ".tif", ".tiff"):
            continue
        slides: list[Slide] = []
        try:
            slides = [open_slide(path, reader) for reader in ("tifffile", "openslide")]
        except (ValueError, OSError):
            pass
        else:
            compared += 1
            ours, theirs = slides
            assert ours.mpp == theirs.mpp
            assert not any("OpenSlide states" in said for said in ours.facts.warnings), path
        finally:
            for slide in slides:
                slide.close()
    assert compared > 10


OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def pixels(sizes: str, ifd: int = 0) -> str:
    return (
        f'<Pixels SizeX="64" SizeY="64" SizeC="3" SizeZ="1" SizeT="1" {sizes}>'
        f'<Channel SamplesPerPixel="3"/><TiffData IFD="{ifd}"/></Pixels>'
    )


@pytest.mark.parametrize(
    ("sizes", "mpp"),
    [
        ('PhysicalSizeX="0.25" PhysicalSizeY="0.25"', 0.25),
        ('PhysicalSizeX="0.25" PhysicalSizeXUnit="&#181;m" PhysicalSizeY="0.25"', 0.25),
        ('PhysicalSizeX="0.25" PhysicalSizeXUnit="&#x3BC;m" PhysicalSizeY="0.25"', 0.25),
        ('PhysicalSizeX="&#48;.25" PhysicalSizeY="0.25"', 0.25),
        ("PhysicalSizeX='250' PhysicalSizeXUnit = 'nm' PhysicalSizeY='0.25'", 0.25),
        ('PhysicalSizeX="0,25" PhysicalSizeY="2.5e-1"', 0.25),
        ('PhysicalSizeX="1" PhysicalSizeXUnit="pixel" PhysicalSizeY="1"', None),
        ('PhysicalSizeX="1" PhysicalSizeXUnit="reference frame" PhysicalSizeY="1"', None),
        ('PhysicalSizeY="0.25"', None),
        ('PhysicalSizeZ="0.25"', None),
        ("", None),
    ],
)
@pytest.mark.parametrize("prefix", ["", "OME:"])
def test_ome_is_read_as_xml(sizes: str, mpp: float | None, prefix: str) -> None:
    # Before the image stands what is only text, and looks like one.
    inside = f"<Image ID='i'><!-- PhysicalSizeX='9' -->{pixels(sizes)}</Image>"
    inside = inside.replace("</", f"</{prefix}").replace("<", f"<{prefix}")
    inside = inside.replace(f"<{prefix}/", "</").replace(f"<{prefix}!", "<!")
    space = f'xmlns{":OME" if prefix else ""}="{OME}"'
    declared = '\ufeff<?xml version="1.0" encoding="UTF-8"?>'
    text = declared + f"<{prefix}OME {space}>{inside}</{prefix}OME>\0 x"
    (image,) = read_ome(text)
    assert (image.pixel_size and image.pixel_size.mpp) == mpp
    assert (image.doubt is None) == (mpp is not None or "Size" not in sizes or "SizeZ" in sizes)


def test_entities_of_the_files_own_are_not_followed() -> None:
    text = '<!DOCTYPE OME [<!ENTITY a "0.25">]><OME><Image>&a;</Image></OME>'
    with pytest.raises(OmeXmlError):
        read_ome(text)


@pytest.mark.parametrize(
    "text", ["<OME><Image></OME>", "<OME", '<OME><Image><Pixels SizeZ="x"/></Image></OME>']
)
def test_what_is_no_xml_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(OmeXmlError):
        read_ome(text)


def test_text_of_bytes() -> None:
    assert text_of("<OME/>".encode("utf-16")) == "<OME/>"
    assert text_of(b"\xef\xbb\xbf<OME/>\0") == "<OME/>"
    assert text_of(b"a\xb5m") == "aµm"
    assert text_of(("a", b"b")) == "a\nb"
    assert text_of(None) == ""


@pytest.mark.parametrize(
    ("name", "mpp"), [("ome_entity.ome.tif", 0.499), ("ome_two_images.ome.tif", None)]
)
def test_reported_ome_files(name: str, mpp: float | None, data: Path) -> None:
    path = data / "reported" / name
    expected = None if mpp is None else pytest.approx(mpp)
    assert mpp_by_reader(path) == dict.fromkeys(READERS, expected)


def test_the_size_is_that_of_the_image_that_is_read(tmp_path: Path) -> None:
    """The macro comes first, in XML and in the file."""
    path = tmp_path / "slide.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for edge, size in ((64, 10.0), (256, 0.25)):
            sizes = dict.fromkeys(("PhysicalSizeX", "PhysicalSizeY"), size)
            writer.write(
                np.zeros((edge, edge, 3), np.uint8),
                tile=(64, 64),
                photometric="rgb",
                metadata={"axes": "YXS", "Name": "macro" if edge == 64 else "slide", **sizes},
            )
    with open_slide(path) as slide:
        assert slide.levels[0].box.shape == (256, 256)
        assert slide.mpp == 0.25
        assert slide.facts.associated == ("macro",)
        assert slide.read_associated("macro").shape == (64, 64, 3)
        assert "macro of 64×64" in slide.facts.warnings[0]
    with open_slide(path, "pillow") as slide:
        assert (slide.levels[0].box.shape, slide.mpp) == ((256, 256), 0.25)
    with pytest.raises(ValueError, match="OpenSlide shows a page of 64×64"):
        open_slide(path, "openslide")


@pytest.mark.parametrize(
    ("unit", "per_unit", "mpp"),
    [("micron", 4, 0.25), (r"\u00B5m", 2, 0.5), ("mm", 4000, 0.25), ("pixel", 1, None)],
)
def test_imagejs_unit(unit: str, per_unit: float, mpp: float | None, tmp_path: Path) -> None:
    text = f"ImageJ=1.53t\nunit={unit}\nloop=false\n"
    size = from_imagej(text, per_unit, per_unit)
    assert (size and size.mpp) == mpp
    options = {"resolution": (per_unit, per_unit), "resolutionunit": "NONE", "description": text}
    tifffile.imwrite(tmp_path / "a.tif", made.patches(), **{**made.LOSSLESS, **options})
    with open_slide(tmp_path / "a.tif") as slide:
        assert slide.mpp == mpp
        assert slide.facts.mpp_source == (mpp and "imagej.unit")
    assert from_imagej("unit=micron", 4, 4) is None
    assert from_imagej(text, 0, 4) is None
