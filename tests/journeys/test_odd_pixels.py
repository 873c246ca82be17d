"""From a slide whose pixels are not square to a mask whose are, and places to and fro."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import shapely
import tifffile
import zarr
from PIL import Image

import wsiseg
from array_slide import noise
from commands import run
from drawn import asap, feature, imagescope, in_asap, layer, region
from tiny import segment_tiny, tiny_checkpoint
from wsiseg.annotations.class_map import ClassMap
from wsiseg.annotations.labels import IGNORED, LabelSource
from wsiseg.annotations.pictures import PictureLabels
from wsiseg.annotations.polygons import PolygonLabels
from wsiseg.annotations.stores import StoreLabels
from wsiseg.errors import AnnotationError
from wsiseg.store.label_images import open_label_image
from wsiseg.tiling import open_slide
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.training.datasets.dataset import Sample
from wsiseg.training.datasets.open_samples import OpenSample
from wsiseg.training.datasets.working_resolution import WorkingResolution

HEIGHT, WIDTH = 200, 300
"""Pixels of the file."""


@dataclass(frozen=True)
class Odd:
    """A slide with pixels of 0.25 µm by 0.5 µm, and what it is in square ones."""

    path: Path
    stretch: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        return HEIGHT * self.stretch[0], WIDTH * self.stretch[1]

    def enlarged(self, drawn: np.ndarray) -> np.ndarray:
        """Return what was drawn pixel by pixel on the file's, on square ones."""
        return np.kron(drawn, np.ones(self.stretch, drawn.dtype))


def write(path: Path, pixels: Pixels, height: float, width: float) -> Path:
    tifffile.imwrite(
        path,
        pixels,
        tile=(64, 64),
        photometric="rgb",
        compression="zlib",
        resolution=(1e4 / width, 1e4 / height),
        resolutionunit="CENTIMETER",
        metadata=None,
    )
    return path


@pytest.fixture(params=[(1, 2), (2, 1)], ids=["wide", "high"])
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Odd]:
    down, across = request.param
    path = write(tmp_path / "odd.tif", noise(HEIGHT, WIDTH), 0.25 * down, 0.25 * across)
    return Odd(path, request.param)


def labels_of(mask: Path) -> np.ndarray:
    return np.asarray(zarr.open_array(mask / "0", mode="r"))


@pytest.mark.parametrize("work", [{"level": 0}, {"mpp": 0.25}, {"mpp": 0.6}])
def test_the_mask_is_that_of_the_slide_resized(odd: Odd, work: dict[str, object]) -> None:
    pixels = Image.fromarray(noise(HEIGHT, WIDTH)).resize(
        odd.shape[::-1], Image.Resampling.BILINEAR
    )
    even = write(odd.path.with_name("even.tif"), np.asarray(pixels), 0.25, 0.25)
    masks = [segment_tiny(path, odd.path.parent / path.stem, **work) for path in (odd.path, even)]
    np.testing.assert_array_equal(*map(labels_of, masks))
    found, expected = map(open_label_image, masks)
    assert (found.unit, found.scale, found.shift) == (
        expected.unit,
        pytest.approx(expected.scale),
        pytest.approx(expected.shift),
    )
    assert found.scale == pytest.approx(work.get("mpp", 0.25))
    notes = json.loads((odd.path.parent / "odd" / "odd.run.json").read_text())["warnings"]
    assert "read as square ones of 0.25 µm" in notes[0]
    assert found.notes["stretch"] == list(odd.stretch)


@pytest.mark.parametrize("program", ["geojson", "asap", "imagescope"])
def test_regions_are_in_pixels_of_the_file(odd: Odd, program: str) -> None:
    drawn = shapely.box(100, 40, 151, 121)
    content = {
        "geojson": json.dumps(feature(drawn)),
        "asap": asap(in_asap(drawn)),
        "imagescope": imagescope(layer([region(drawn)])),
    }[program]
    roi = odd.path.with_name("roi")
    roi.write_text(content)
    mask = labels_of(segment_tiny(odd.path, odd.path.parent / "out", level=0, roi=roi))
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[40:121, 100:151] = True
    np.testing.assert_array_equal(mask != NO_LABEL, odd.enlarged(inside))


def test_the_users_word_makes_them_square(odd: Odd) -> None:
    """The mask is that of the same pixels in a file that says nothing else."""
    square = write(odd.path.with_name("square.tif"), noise(HEIGHT, WIDTH), 0.3, 0.3)
    options = {"mpp": 0.6, "slide_mpp": 0.3, "override_mpp": True}
    expected = labels_of(segment_tiny(square, odd.path.parent / "even", mpp=0.6))
    assert expected.shape == (HEIGHT // 2, WIDTH // 2)
    mask = segment_tiny(odd.path, odd.path.parent / "file", **options)
    np.testing.assert_array_equal(labels_of(mask), expected)
    assert open_label_image(mask).scale == pytest.approx(0.6)
    with open_slide(odd.path) as slide:
        settings = {"runtime": "torch", "tissue": "none", "tile": 256, "halo": 8, **options}
        result = wsiseg.segment(
            slide, tiny_checkpoint(mpp=None), odd.path.parent / "open", **settings
        )
    np.testing.assert_array_equal(np.asarray(result.labels), expected)


def test_the_users_word_counts_in_a_batch(odd: Odd, tmp_path: Path) -> None:
    checkpoint = tmp_path / "tiny.safetensors"
    tiny_checkpoint().save(checkpoint)
    words = ["segment", odd.path, "-o", tmp_path / "out", "-c", checkpoint]
    words += ["--runtime", "torch", "--level", 0, "--tissue", "none", "--json"]
    assert run(*words).status == 0
    assert labels_of(tmp_path / "out" / "odd.ome.zarr").shape == odd.shape
    assert run(*words, "--slide-mpp", 0.25, "--override-mpp", "--overwrite").status == 0
    assert labels_of(tmp_path / "out" / "odd.ome.zarr").shape == (HEIGHT, WIDTH)


def test_info_tells_both_sides(odd: Odd) -> None:
    content = json.loads(run("info", odd.path, "--json").out)
    height, width = (0.25 * each for each in odd.stretch)
    assert (content["height"], content["width"]) == odd.shape
    assert (content["mpp"], content["mpp_source"]) == (0.25, "tiff.Resolution")
    assert content["file_pixel"] == [height, width]
    text = run("info", odd.path).out
    assert f"0.25 µm/px (tiff.Resolution), the file's pixels have {height:g} µm in height" in text
    assert "warning     its pixels of" in text


def draw_labels(odd: Odd) -> tuple[np.ndarray, dict[str, LabelSource]]:
    """Return labels of the file's pixels, and them in three kinds of files."""
    drawn = np.full((HEIGHT, WIDTH), IGNORED, np.uint8)
    drawn[30:90, 50:121] = 0
    folder = odd.path.parent
    picture, store, polygons = (folder / name for name in ("a.png", "a.zarr", "a.geojson"))
    Image.fromarray(drawn).save(picture)
    axes = [{"name": name, "type": "space"} for name in "yx"]
    scale = [{"type": "scale", "scale": [1.0, 1.0]}]
    multiscale = {
        "axes": axes,
        "datasets": [{"path": "0", "coordinateTransformations": scale}],
    }
    image_label = {"properties": [{"label-value": 0, "class": "a"}]}
    ome = {"version": "0.5", "multiscales": [multiscale], "image-label": image_label}
    group = zarr.create_group(store, attributes={"ome": ome})
    group.create_array("0", data=drawn, chunks=(64, 64))
    named = {"classification": {"name": "a"}}
    polygons.write_text(json.dumps(feature(shapely.box(50, 30, 121, 90), **named)))
    a_only = ClassMap.read("a=a")
    return drawn, {
        "picture": PictureLabels(picture, {0: 0, 255: 255}),
        "store": StoreLabels(store, a_only),
        "polygons": PolygonLabels(polygons, a_only),
    }


@pytest.mark.parametrize("kind", ["picture", "store", "polygons"])
def test_labels_drawn_on_the_file_are_learnt_where_they_are(odd: Odd, kind: str) -> None:
    drawn, sources = draw_labels(odd)
    sample = Sample("odd", odd.path, sources[kind])
    with OpenSample(sample, WorkingResolution()) as opened:
        found = opened.labels(opened.plane.box)
    np.testing.assert_array_equal(found, odd.enlarged(drawn))
    with OpenSample(sample, WorkingResolution(slide_mpp=0.25, override_mpp=True)) as opened:
        np.testing.assert_array_equal(opened.labels(opened.plane.box), drawn)


def test_a_mask_is_learnt_from_at_the_shape_that_it_was_made_at(odd: Odd) -> None:
    options = {"level": 0, "slide_mpp": 0.25, "override_mpp": True}
    stored = segment_tiny(odd.path, odd.path.parent / "stored", **options)
    even = segment_tiny(odd.path, odd.path.parent / "even", level=0)
    classes = ClassMap.read(",".join(f"class {i}=class {i}" for i in range(5)))
    resolutions = WorkingResolution(slide_mpp=0.25, override_mpp=True), WorkingResolution()
    for mask, resolution, other in ((stored, *resolutions), (even, *resolutions[::-1])):
        sample = Sample("odd", odd.path, StoreLabels(mask, classes))
        with OpenSample(sample, resolution) as opened:
            np.testing.assert_array_equal(opened.labels(opened.plane.box), labels_of(mask))
        with pytest.raises(AnnotationError, match="pixels of another shape"):
            OpenSample(sample, other)


@pytest.mark.parametrize("shape", ["file", "square"])
def test_a_picture_of_the_tissue_may_have_either_shape(odd: Odd, shape: str) -> None:
    tissue = np.zeros((HEIGHT, WIDTH), np.uint8)
    tissue[:, 140:150] = 255
    picture = odd.path.with_name("tissue.png")
    Image.fromarray(tissue if shape == "file" else odd.enlarged(tissue)).save(picture)
    options = {"level": 0, "tissue": str(picture), "tile": 32}
    seen = labels_of(segment_tiny(odd.path, odd.path.parent / "out", **options)) != NO_LABEL
    np.testing.assert_array_equal(seen.all(0), seen.any(0))
    expected = np.flatnonzero(odd.enlarged(tissue).any(0))
    # At 0.25 µm per pixel, 64 µm are so many.
    blocks = np.arange(seen.shape[1]) // 256
    np.testing.assert_array_equal(seen.any(0), np.isin(blocks, blocks[expected]))
