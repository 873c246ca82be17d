"""A user's own pictures and slides, paired by name."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image
from shapely.geometry import box as rectangle

from drawn import asap, collection, feature, in_asap, in_qupath, write
from labelled import touch
from wsiseg.annotations.class_map import ClassMap
from wsiseg.annotations.labels import IGNORED
from wsiseg.annotations.pictures import PictureLabels
from wsiseg.annotations.polygons import PolygonLabels
from wsiseg.annotations.stores import StoreLabels
from wsiseg.errors import AnnotationError, ArgumentError, DataSetError
from wsiseg.tiling import Box
from wsiseg.training.datasets.dataset import DataSet
from wsiseg.training.datasets.folders import open_pictures, open_slides
from wsiseg.training.datasets.open_samples import OpenSample
from wsiseg.training.datasets.working_resolution import WorkingResolution

GLANDS = ClassMap.read("0=background,255=gland")
TISSUE = ClassMap.read("tumour=tumour,stroma=stroma")
SQUARE = rectangle(5, 5, 15, 15)


def store(folder: Path, *names: str) -> None:
    """Make Zarr groups of which only the names matter."""
    for name in names:
        zarr.open_group(folder / name, mode="w")


def names_of(dataset: DataSet) -> list[str]:
    return [sample.name for sample in dataset.samples]


def test_pictures_and_masks_of_one_name_belong_together(tmp_path: Path) -> None:
    images = touch(tmp_path / "images", "b.png", "a.jpg", "c.tif")
    labels = touch(tmp_path / "labels", "c.png", "a.png", "b.bmp")
    dataset = open_pictures(images, labels, GLANDS)
    assert [(s.name, s.image, s.labels.path) for s in dataset.samples] == [
        ("a", images / "a.jpg", labels / "a.png"),
        ("b", images / "b.png", labels / "b.bmp"),
        ("c", images / "c.tif", labels / "c.png"),
    ]
    assert dataset.name == "images"
    assert dataset.classes == GLANDS.classes
    assert not dataset.sparse
    assert not dataset.categories


def test_values_mean_what_the_map_says(tmp_path: Path) -> None:
    images, labels = (touch(tmp_path / name) for name in ("images", "labels"))
    values = np.array([[0, 255, 0], [255, 255, 0]], np.uint8)
    Image.fromarray(values).save(labels / "a.png")
    Image.new("RGB", (3, 2)).save(images / "a.png")
    (sample,) = open_pictures(images, labels, GLANDS).samples
    with OpenSample(sample, WorkingResolution()) as opened:
        np.testing.assert_array_equal(opened.labels(Box(0, 0, 2, 3)), values // 255)


@pytest.mark.parametrize(
    ("image", "labels", "name"),
    [
        ("a.svs", "a.geojson", "a"),
        ("a.svs", "a.geojson.gz", "a"),
        ("a.svs", "a.json.gz", "a"),
        ("a.ndpi", "a.xml", "a"),
        ("a.ndpi", "a.xml.gz", "a"),
        ("a.ndpi", "a.annotations", "a"),
        ("a.ome.tif", "a.geojson", "a"),
        ("a.ome.tiff", "a.OME.tif", "a"),
        ("a.SVS", "a.GeoJSON.GZ", "a"),
        ("TCGA-A1-01Z.6F2B-40.svs", "TCGA-A1-01Z.6F2B-40.geojson", "TCGA-A1-01Z.6F2B-40"),
        ("1.25x.svs", "1.25x.json.gz", "1.25x"),
        ("a b (2).tif", "a b (2).png", "a b (2)"),
        ("ä.tif", "ä.xml", "ä"),
    ],
)
def test_endings_are_no_part_of_the_name(
    tmp_path: Path, image: str, labels: str, name: str
) -> None:
    slides, drawn = touch(tmp_path / "slides", image), touch(tmp_path / "drawn", labels)
    dataset = open_slides(slides, drawn, ClassMap.read("0=a,1=b"))
    assert names_of(dataset) == [name]
    assert dataset.samples[0].image == slides / image
    assert dataset.samples[0].labels.path == drawn / labels
    assert dataset.sparse


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.zarr", "a.OME.ZARR"])
def test_stores_are_folders_with_an_ending(tmp_path: Path, name: str) -> None:
    slides = touch(tmp_path / "slides", "a.svs")
    drawn = touch(tmp_path / "drawn")
    store(drawn, name)
    (sample,) = open_slides(slides, drawn, TISSUE).samples
    assert (sample.name, type(sample.labels)) == ("a", StoreLabels)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", PictureLabels),
        ("a.ome.tif", PictureLabels),
        ("a.TIFF", PictureLabels),
        ("a.xml", PolygonLabels),
        ("a.geojson.gz", PolygonLabels),
    ],
)
def test_labels_are_read_as_what_they_are(tmp_path: Path, name: str, kind: type) -> None:
    slides, drawn = touch(tmp_path / "slides", "a.svs"), touch(tmp_path / "drawn", name)
    (sample,) = open_slides(slides, drawn, ClassMap.read("0=a,tumour=b")).samples
    assert type(sample.labels) is kind


def test_coordinates_and_the_map_reach_the_polygons(tmp_path: Path) -> None:
    slides, drawn = touch(tmp_path / "slides", "a.svs"), touch(tmp_path / "drawn", "a.xml")
    labels = open_slides(slides, drawn, TISSUE, "bounds").samples[0].labels
    assert isinstance(labels, PolygonLabels)
    assert (labels.class_map, labels.coordinates) == (TISSUE, "bounds")


def test_hidden_files_and_folders_do_not_count(tmp_path: Path) -> None:
    slides = touch(tmp_path / "slides", "a.mrxs", ".DS_Store", "._a.mrxs")
    touch(slides / "a", "Slidedat.ini", "Data0000.dat")
    drawn = touch(tmp_path / "drawn", "a.xml", ".hidden.xml")
    touch(drawn / "older", "b.xml")
    assert names_of(open_slides(slides, drawn, TISSUE)) == ["a"]


Opener = Callable[[Path, Path], DataSet]
both_kinds = pytest.mark.parametrize(
    "opener",
    [lambda i, a: open_pictures(i, a, GLANDS), lambda s, a: open_slides(s, a, GLANDS)],
    ids=["pictures", "slides"],
)


@both_kinds
@pytest.mark.parametrize("missing", ["images", "labels"])
def test_a_missing_or_empty_folder_is_named(tmp_path: Path, opener: Opener, missing: str) -> None:
    folders = {name: touch(tmp_path / name, "a.png") for name in ("images", "labels")}
    (folders[missing] / "a.png").unlink()
    touch(folders[missing], ".DS_Store")
    with pytest.raises(DataSetError, match=r"^the folder holds no ") as caught:
        opener(*folders.values())
    assert caught.value.where == folders[missing]
    option = str(caught.value.hint).partition(" wants ")
    if missing == "images":
        assert option[0] in ("`images`", "`slides`")
    else:
        assert option[0] in ("`labels`", "`annotations`")
        assert ".png" in option[2]
    nowhere = {**folders, missing: tmp_path / "nowhere"}
    with pytest.raises(DataSetError, match="no such folder") as caught:
        opener(*nowhere.values())
    assert caught.value.where == tmp_path / "nowhere"
    a_file = {**folders, missing: touch(tmp_path, "file") / "file"}
    with pytest.raises(DataSetError, match="no such folder"):
        opener(*a_file.values())


@both_kinds
def test_pictures_without_labels_are_counted_and_named(tmp_path: Path, opener: Opener) -> None:
    images = touch(tmp_path / "images", *(f"{name}.png" for name in "abcdef"))
    labels = touch(tmp_path / "labels", "c.png")
    with pytest.raises(
        DataSetError, match=r"5 of the samples have no (labels|annotations): a, b, d, …"
    ) as caught:
        opener(images, labels)
    assert caught.value.where == labels
    assert "\n" not in str(caught.value)


@both_kinds
def test_labels_without_pictures_are_counted_and_named(tmp_path: Path, opener: Opener) -> None:
    images = touch(tmp_path / "images", "a.png")
    labels = touch(tmp_path / "labels", "a.png", "B.png", "b.png")
    with pytest.raises(
        DataSetError, match=r"2 of the samples have no (pictures|slides): B, b "
    ) as caught:
        opener(images, labels)
    assert caught.value.where == images


@both_kinds
@pytest.mark.parametrize("folder", ["images", "labels"])
def test_two_files_of_one_name_are_refused(tmp_path: Path, opener: Opener, folder: str) -> None:
    folders = {name: touch(tmp_path / name, "a.png", "b.png") for name in ("images", "labels")}
    touch(folders[folder], "a.ome.tif")
    with pytest.raises(
        DataSetError, match=r"a\.ome\.tif and a\.png belong to the same sample"
    ) as caught:
        opener(*folders.values())
    assert caught.value.where == folders[folder]


def test_instances_belong_to_their_pictures(tmp_path: Path) -> None:
    images = touch(tmp_path / "images", "a.png", "b.png")
    labels = touch(tmp_path / "labels", "a.png", "b.png")
    instances = touch(tmp_path / "instances", "a.tif", "b.png", "c.png")
    dataset = open_pictures(images, labels, GLANDS, instances)
    assert [s.instances for s in dataset.samples] == [instances / "a.tif", instances / "b.png"]
    (instances / "b.png").unlink()
    with pytest.raises(DataSetError, match="1 of the samples has no instances: b") as caught:
        open_pictures(images, labels, GLANDS, instances)
    assert caught.value.where == instances


# Classes from the names in the files


def drawn_slides(tmp_path: Path, **annotations: str) -> tuple[Path, Path]:
    slides = touch(tmp_path / "slides", *(f"{name}.svs" for name in annotations))
    drawn = touch(tmp_path / "drawn")
    for name, text in annotations.items():
        write(drawn, text, f"{name}.geojson")
    return slides, drawn


def qupath(**colours: tuple[int, int, int]) -> str:
    shapes = (
        feature(SQUARE, objectType="annotation", classification={"name": n, "color": list(c)})
        for n, c in colours.items()
    )
    return json.dumps(collection(*shapes))


def test_every_name_is_a_class_in_the_order_in_which_it_was_drawn(tmp_path: Path) -> None:
    slides, drawn = drawn_slides(
        tmp_path,
        b=qupath(tumour=(200, 0, 0), fat=(255, 255, 0)),
        a=qupath(stroma=(0, 160, 0), tumour=(200, 0, 0)),
    )
    dataset = open_slides(slides, drawn)
    assert [(c.name, c.colour) for c in dataset.classes] == [
        ("stroma", (0, 160, 0)),
        ("tumour", (200, 0, 0)),
        ("fat", (255, 255, 0)),
    ]


def test_what_nobody_drew_on_is_ignored(tmp_path: Path) -> None:
    slides, drawn = drawn_slides(tmp_path, a=qupath(fat=(9, 9, 9), tumour=(1, 2, 3)))
    Image.new("RGB", (20, 20)).save(slides / "a.png")
    (slides / "a.svs").unlink()
    (sample,) = open_slides(slides, drawn).samples
    expected = np.full((20, 20), IGNORED, np.uint8)
    expected[5:15, 5:15] = 1
    with OpenSample(sample, WorkingResolution()) as opened:
        np.testing.assert_array_equal(opened.labels(Box(0, 0, 20, 20)), expected)


def test_files_may_be_packed_and_of_several_programs(tmp_path: Path) -> None:
    slides = touch(tmp_path / "slides", "a.svs", "b.svs")
    drawn = touch(tmp_path / "drawn")
    (drawn / "a.geojson.gz").write_bytes(gzip.compress(qupath(fat=(1, 2, 3)).encode()))
    write(drawn, asap(in_asap(SQUARE, group="gland")), "b.xml")
    assert [c.name for c in open_slides(slides, drawn).classes] == ["fat", "gland"]


def test_classes_differ_in_colour_even_if_the_files_give_them_none_or_the_same(
    tmp_path: Path,
) -> None:
    slides, drawn = drawn_slides(
        tmp_path,
        a=json.dumps(collection(feature(SQUARE, classification={"name": "one"}))),
        b=json.dumps(collection(feature(SQUARE, classification={"name": "two"}))),
        c=qupath(three=(0, 0, 255), four=(0, 0, 255)),
        d=qupath(one=(7, 8, 9)),
    )
    colours = {c.name: c.colour for c in open_slides(slides, drawn).classes}
    assert len(set(colours.values())) == 4
    # What one file leaves open, another may tell.
    assert colours["one"] == (7, 8, 9)
    assert (0, 0, 255) in (colours["three"], colours["four"])


def test_painted_masks_need_a_map(tmp_path: Path) -> None:
    slides, drawn = touch(tmp_path / "slides", "a.svs"), touch(tmp_path / "drawn", "a.png")
    with pytest.raises(ArgumentError, match="`class_map`"):
        open_slides(slides, drawn)


@pytest.mark.parametrize("nameless", [{}, {"unclassified": "ignore"}, {"unannotated": "rest"}])
def test_shapes_without_any_class_need_a_map(tmp_path: Path, nameless: dict[str, str]) -> None:
    slides, drawn = drawn_slides(tmp_path, a=json.dumps(collection(in_qupath(SQUARE))))
    with pytest.raises(AnnotationError, match=r"no annotation has a class .*unclassified=CLASS"):
        open_slides(slides, drawn, nameless=nameless)


def test_what_has_no_name_can_be_mapped_beside_classes_that_are_found(tmp_path: Path) -> None:
    shapes = (in_qupath(SQUARE, "fat"), in_qupath(SQUARE, "tumour"), in_qupath(SQUARE))
    slides, drawn = drawn_slides(tmp_path, a=json.dumps(collection(*shapes)))
    Image.new("RGB", (20, 20)).save(slides / "a.png")
    (slides / "a.svs").unlink()
    (sample,) = open_slides(slides, drawn, strict=True).samples
    with pytest.raises(AnnotationError, match="Add unclassified=ignore"):
        OpenSample(sample, WorkingResolution())
    nameless = {"unclassified": "ignore", "unannotated": "rest"}
    dataset = open_slides(slides, drawn, nameless=nameless, colours={"rest": (4, 5, 6)})
    assert [c.name for c in dataset.classes] == ["fat", "tumour", "rest"]
    assert dataset.classes[2].colour == (4, 5, 6)
    with OpenSample(dataset.samples[0], WorkingResolution()) as opened:
        labels = opened.labels(Box(0, 0, 20, 20))
    assert (labels[5:15, 5:15] == IGNORED).all()
    assert (labels[0] == 2).all()


def test_shapes_without_a_class_are_ignored_with_a_count(tmp_path: Path) -> None:
    """They wipe out nothing that has a class, whichever was drawn first."""
    fat, left = rectangle(2, 2, 8, 8), rectangle(12, 2, 18, 8)
    over = rectangle(5, 5, 15, 15)
    shapes = (in_qupath(left), in_qupath(fat, "fat"), in_qupath(over))
    slides, drawn = drawn_slides(tmp_path, a=json.dumps(collection(*shapes)))
    Image.new("RGB", (20, 20)).save(slides / "a.png")
    (slides / "a.svs").unlink()
    rest = ClassMap.read("fat=fat,unannotated=rest")
    (sample,) = open_slides(slides, drawn, rest).samples
    with OpenSample(sample, WorkingResolution()) as opened:
        labels, notes = opened.labels(Box(0, 0, 20, 20)), opened.notes
    assert (labels[2:8, 2:8] == 0).all()
    assert (labels[3:7, 13:17] == IGNORED).all()
    assert (labels[9:15, 9:15] == IGNORED).all()
    assert (labels[16:] == 1).all()
    assert [note for note in notes if note.startswith("2 shapes without a class are ignored")]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    slides, drawn = drawn_slides(tmp_path, a=qupath(fat=(1, 2, 3)), b="not JSON")
    with pytest.raises(AnnotationError) as caught:
        open_slides(slides, drawn)
    assert caught.value.where == drawn / "b.geojson"


def test_samples_are_sorted_by_their_names_not_their_files(tmp_path: Path) -> None:
    names = ["a-1.png", "a.png", "a.b.png"]
    images, labels = touch(tmp_path / "images", *names), touch(tmp_path / "labels", *names)
    assert names_of(open_pictures(images, labels, GLANDS)) == ["a", "a-1", "a.b"]


def test_the_folders_order_on_the_disk_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{n}.png" for n in range(12)]
    images, labels = touch(tmp_path / "images", *names), touch(tmp_path / "labels", *names)
    there = Path.iterdir
    expected = open_pictures(images, labels, GLANDS)
    monkeypatch.setattr(Path, "iterdir", lambda path: iter(sorted(there(path), reverse=True)))
    assert names_of(open_pictures(images, labels, GLANDS)) == names_of(expected)
