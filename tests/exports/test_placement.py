"""Exports lie on the slide to half a pixel of the mask: with bounds, resampled, uneven pixels.

Each test reads the exported file alone, and knows of the slide where it is blue.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import openslide
import pydicom
import pytest
import shapely
import tifffile
from PIL import Image

import wsiseg
from dicom_slide import ORIENTATION, PLACE, write_dicom_slide
from reddish import CLASSES, reddish_checkpoint
from stored_masks import write_mask
from vendor_slides import LEICA_PLACE, leica
from wsiseg.classes import LabelClass
from wsiseg.tiling.boxes import Box

EDGE = 512
"""Pixels of what was scanned."""

BLUE = Box(83, 101, 200, 290)
"""What is blue there, in pixels of the file; all else is red."""

PIXELS = {"wide": (0.25, 0.5), "high": (0.5, 0.25)}
"""Height and width in µm."""


@dataclass(frozen=True)
class Made:
    """A slide with its mask, and what is known of them."""

    slide: Path
    mask: Path
    corner: tuple[int, int]
    pixel: tuple[float, float]
    work: float

    @property
    def half(self):
        """Half a pixel of the mask in pixels of the file, ``(y, x)``."""
        return tuple(self.work / length / 2 + 1e-3 for length in self.pixel)

    @property
    def edges(self):
        """Top, left, bottom and right of the blue in pixels of the file."""
        y, x = self.corner
        return (BLUE.y + y, BLUE.x + x, BLUE.bottom + y, BLUE.right + x)

    def holds(self, top, left, bottom, right, within=None):
        """Check edges in pixels of the file."""
        half_y, half_x = self.half if within is None else within
        expected = self.edges
        assert (top, bottom) == pytest.approx((expected[0], expected[2]), abs=half_y)
        assert (left, right) == pytest.approx((expected[1], expected[3]), abs=half_x)


def pixels():
    drawn = np.zeros((EDGE, EDGE), np.uint8)
    drawn[BLUE.y : BLUE.bottom, BLUE.x : BLUE.right] = 1
    return np.array([entry.colour for entry in CLASSES], np.uint8)[drawn]


def write_slide(folder, kind):
    """Return a slide, where its scanned part begins, and the size of its pixels."""
    if kind == "bounds":
        return leica(folder, pixels()), LEICA_PLACE, (0.5, 0.5)
    if kind == "dicom":
        return (
            write_dicom_slide(folder / "slide", pixels(), mpp=(0.25,) * 2, levels=2),
            (0, 0),
            (
                0.25,
                0.25,
            ),
        )
    if kind == "dicom-wide":
        size = PIXELS["wide"]
        return write_dicom_slide(folder / "slide", pixels(), mpp=size, levels=2), (0, 0), size
    size = PIXELS.get(kind, (0.25, 0.25))
    path = folder / "slide.tif"
    resolution = {"resolution": (1e4 / size[1], 1e4 / size[0]), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, pixels(), tile=(64, 64), photometric="rgb", metadata=None, **resolution)
    return path, (0, 0), size


@pytest.fixture(
    scope="module",
    params=[
        ("plain", 0.25),
        ("plain", 0.37),
        ("bounds", 0.74),
        ("wide", 0.37),
        ("high", 0.25),
        ("dicom", 0.5),
        ("dicom-wide", 0.37),
    ],
    ids=lambda param: "-".join(map(str, param)),
)
def made(request, tmp_path_factory):
    kind, work = request.param
    folder = tmp_path_factory.mktemp("slide")
    slide, corner, pixel = write_slide(folder, kind)
    settings = {"runtime": "torch", "tissue": "none"}
    result = wsiseg.segment(slide, reddish_checkpoint(work), folder / "out", **settings)
    return Made(slide, result.mask, corner, pixel, work)


def export(made, form, folder, name, **options):
    return wsiseg.export(made.mask, form, folder / name, **options).output


def edges(found):
    """Return top, left, bottom and right of what is true."""
    rows, columns = (np.flatnonzero(found.any(axis)) for axis in (1, 0))
    return np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1], float)


def in_file(found, scale, corner, stretch=(1.0, 1.0)):
    """Return the edges of what is true on a picture in pixels of the slide's file."""
    return tuple((edges(found) * scale + [*corner, *corner]) / [*stretch, *stretch])


def is_blue(picture):
    return picture[..., 2].astype(int) > picture[..., 0]


def test_polygons(made, tmp_path):
    file = export(made, "geojson", tmp_path, "a.geojson", classes=["blue"])
    (feature,) = json.loads(file.read_text())["features"]
    assert feature["properties"]["classification"] == {"name": "blue", "color": [0, 0, 255]}
    left, top, right, bottom = shapely.geometry.shape(feature["geometry"]).bounds
    # QuPath counts from the scanned part.
    y, x = made.corner
    made.holds(top + y, left + x, bottom + y, right + x)
    # The table of components says the same.
    options = {"components": True, "classes": ["blue"], "coordinates": "bounds"}
    row = {
        key: column[0]
        for key, column in wsiseg.measure(made.mask, **options).tables["components"].items()
    }
    assert (row["box_x"], row["box_y"]) == pytest.approx((left, top), abs=1e-3)
    ends = (row["box_x"] + row["box_width"], row["box_y"] + row["box_height"])
    assert ends == pytest.approx((right, bottom), abs=1e-3)
    centre = shapely.geometry.shape(feature["geometry"]).centroid
    assert (row["centroid_x"], row["centroid_y"]) == pytest.approx((centre.x, centre.y), abs=1e-3)


def test_ome_tiff(made, tmp_path):
    file = export(made, "ome-tiff", tmp_path, "a.ome.tiff")
    with tifffile.TiffFile(file) as opened:
        found = opened.asarray() == 1
        described = ET.fromstring(opened.ome_metadata)
    space = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"
    of = described.find(f".//{space}Pixels")
    plane = of.find(f"{space}Plane")
    # Whoever lays one over the other by µm,
    places = []
    for number, edge in enumerate(edges(found)):
        axis = "YX"[number % 2]
        length = float(of.get(f"PhysicalSize{axis}"))
        micrometres = edge * length + float(plane.get(f"Position{axis}"))
        places.append(micrometres / made.pixel[number % 2])
    made.holds(*places)
    # and whoever does so by the pixels of the slide's file.
    told = {each.get("K"): each.text for each in described.iter(f"{space}M")}
    scale, corner = (
        np.array([float(told[f"{name}{axis}"]) for axis in "YXYX"]) for name in ("Scale", "Corner")
    )
    made.holds(*(edges(found) * scale + corner))


def test_tiff(made, tmp_path):
    with openslide.OpenSlide(export(made, "tiff", tmp_path, "a.tiff")) as slide:
        found = np.asarray(slide.read_region((0, 0), 0, slide.dimensions))
        lengths = [float(slide.properties[f"openslide.mpp-{axis}"]) for axis in "yxyx"]
        about = json.loads(slide.properties["tiff.ImageDescription"])
    made.holds(*(edges(is_blue(found)) * lengths / [*made.pixel, *made.pixel]))
    where = (about["slide_scale"], about["corner"], about["stretch"])
    made.holds(*in_file(is_blue(found), *where))


@pytest.mark.parametrize("size", [None, 1024])
def test_png(made, tmp_path, size):
    with Image.open(export(made, "png", tmp_path, "a.png", size=size)) as picture:
        found, about = np.asarray(picture) == 1, json.loads(picture.info["wsiseg"])
    where = (about["slide_scale"], about["corner"], about["stretch"])
    within = made.half
    if about["mpp"] > made.work * 1.5:
        # A level of the pyramid: by the majority of four, and again of four.
        within = [about["slide_scale"] / stretch for stretch in about["stretch"]]
    made.holds(*in_file(found, *where), within=within)


@pytest.mark.parametrize(("name", "size"), [("a.png", 2048), ("a.png", 333), ("a.jpg", 2048)])
def test_overlay(made, tmp_path, name, size):
    """The picture shows where the slide, and where the mask is blue."""
    shown = {}
    for opacity in (0, 1):
        file = export(made, "overlay", tmp_path, f"{opacity}{name}", opacity=opacity, size=size)
        with Image.open(file) as picture:
            shown[opacity] = is_blue(np.asarray(picture))
            assert max(picture.size) <= size
            text = picture.info["wsiseg" if name.endswith("png") else "comment"]
            about = json.loads(text)
    where = (about["slide_scale"], about["corner"], about["stretch"])
    # The picture's own pixels add half of one, and levels of pyramids as much at most.
    share = 0.5 if about["slide_scale"] == 1 else 1.0
    own = [share * about["slide_scale"] / stretch for stretch in about["stretch"]]
    within = [half + more for half, more in zip(made.half, own, strict=True)]
    made.holds(*in_file(shown[0], *where), within=[more + 1e-3 for more in own])
    made.holds(*in_file(shown[1], *where), within=within)


@pytest.mark.parametrize("segmentation", ["labelmap", "binary"])
def test_dicom_seg(made, tmp_path, segmentation):
    """Pixels lie where the frames' plane positions say, by pydicom alone."""
    options = {"segmentation": segmentation, "classes": ["blue"]}
    if not made.slide.is_dir():
        with pytest.raises(wsiseg.SlideError, match="the slide is not DICOM"):
            export(made, "dicom-seg", tmp_path, "a.dcm", **options)
        return
    seg = pydicom.dcmread(export(made, "dicom-seg", tmp_path, "a.dcm", **options))
    finest = pydicom.dcmread(made.slide / "0.dcm")
    assert seg.FrameOfReferenceUID == finest.FrameOfReferenceUID
    assert seg.StudyInstanceUID == finest.StudyInstanceUID
    (series,) = seg.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == finest.SeriesInstanceUID
    spacing = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    places = []
    for frame, groups in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        rows, columns = np.nonzero(frame)
        where = groups.PlanePositionSlideSequence[0]
        begins = [float(where[f"{axis}OffsetInSlideCoordinateSystem"].value) for axis in "XYZ"]
        steps = np.stack([rows * spacing[0], columns * spacing[1]], -1)
        across, down = np.array(ORIENTATION[:3]), np.array(ORIENTATION[3:])
        centres = np.array(begins) + steps[:, :1] * down + steps[:, 1:] * across
        # From the corner of the slide's first pixel, in its pixels.
        size = np.array(made.pixel) * 1e-3
        moved = (centres - PLACE) @ np.stack([down, across], -1)
        places.append(moved / size + 0.5)
    centres = np.concatenate(places)
    half = [length * 1e3 / size / 2 for length, size in zip(spacing, made.pixel, strict=True)]
    made.holds(*(centres.min(0) - half), *(centres.max(0) + half))


HOSTILE = '<script>alert(1)</script>"}]\u2028\x1b[31m'


@pytest.mark.parametrize(
    ("form", "ending"),
    [
        ("geojson", ".geojson"),
        ("ome-tiff", ".ome.tiff"),
        ("tiff", ".tiff"),
        ("png", ".png"),
        ("overlay", ".jpg"),
        ("dicom-seg", ".dcm"),
    ],
)
def test_names_stay_text(tmp_path, form, ending):
    """Neither the file's name nor that of a class is more than a name."""
    slide = write_dicom_slide(tmp_path / "slide", np.full((5, 6, 3), 200, np.uint8))
    classes = [LabelClass(HOSTILE, (1, 2, 3))]
    name = "<script>alert(1)<script>.svs"
    path = write_mask(tmp_path, np.zeros((5, 6), np.uint8), classes=classes, slide=HOSTILE)
    options = {"slide": slide} if form in ("overlay", "dicom-seg") else {}
    file = wsiseg.export(path, form, tmp_path / f"{name[:-4]}{ending}", **options).output
    if form == "geojson":
        (feature,) = json.loads(file.read_text())["features"]
        assert feature["properties"]["classification"]["name"] == HOSTILE
        assert file.read_bytes().isascii()
    elif form == "ome-tiff":
        with tifffile.TiffFile(file) as opened:
            text = opened.ome_metadata
        assert "<script" not in text
        assert any(each.get("Name", "").startswith("<script>") for each in ET.fromstring(text))
    elif form == "tiff":
        with tifffile.TiffFile(file) as opened:
            about = json.loads(opened.pages.first.description)
        assert about["slide"].startswith("<script>")
    elif form == "dicom-seg":
        header = pydicom.dcmread(file)
        segment = header.SegmentSequence[-1]
        assert header.SeriesDescription.startswith("wsiseg: <script>")
        assert segment.SegmentLabel == segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning
        assert segment.SegmentLabel.startswith("<script>")
        assert "\x1b" not in segment.SegmentLabel
    else:
        with Image.open(file) as picture:
            about = json.loads(picture.info["wsiseg" if form == "png" else "comment"])
        assert about["slide"].startswith("<script>")
