"""Which files of two folders belong together."""

from pathlib import Path

import pytest

from array_slide import noise
from odd_sets import make_set
from wsiseg.errors import DataSetError
from wsiseg.training.datasets.pairing import (
    IMAGES,
    LABELS,
    SLIDES,
    annotated_slides,
    annotation_kind,
    files_by_name,
    pair_files,
)
from zarr_images import write_image


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    slides, drawn = tmp_path / "slides", tmp_path / "drawn"
    slides.mkdir()
    drawn.mkdir()
    for name in ("a.svs", "b.tiff", "c.ndpi", "d.mrxs", "notes.txt", ".hidden.svs"):
        (slides / name).touch()
    (slides / "d").mkdir()
    for name in ("a.geojson.gz", "c.geojson", "other.geojson", "notes.md", "b.run.json"):
        (drawn / name).touch()
    return slides, drawn


def test_only_slides_with_an_annotation_count(folders: tuple[Path, Path]) -> None:
    assert list(annotated_slides(*folders)) == ["a", "c"]


def test_annotations_may_lie_beside_their_slides(folders: tuple[Path, Path]) -> None:
    slides, drawn = folders
    (drawn / "a.geojson.gz").rename(slides / "a.geojson.gz")
    assert list(annotated_slides(slides, slides)) == ["a"]


def test_stores_and_pictures_are_annotations(folders: tuple[Path, Path]) -> None:
    slides, drawn = folders
    (drawn / "b.ome.zarr").mkdir()
    (drawn / "b.ome.zarr" / "zarr.json").touch()
    (drawn / "d.png").touch()
    assert list(annotated_slides(slides, drawn)) == ["a", "b", "c", "d"]


def test_folders_are_slides_if_they_hold_an_image(folders: tuple[Path, Path]) -> None:
    slides, drawn = folders
    for name in ("a", "image", "mask", "damaged"):
        labels: dict[str, object] = {"image-label": {}} if name == "mask" else {}
        write_image(slides / f"{name}.ome.zarr", [noise(70, 90)], "yxc", **labels)
        (drawn / f"{name}.xml").touch()
    (drawn / "a.xml").unlink()
    (slides / "damaged.ome.zarr" / "0" / "zarr.json").write_text("{")
    assert list(annotated_slides(slides, drawn)) == ["a", "c", "damaged", "image"]
    # Beside a slide it is what a run with its image left.
    assert files_by_name(slides, SLIDES)["a"] == slides / "a.svs"
    assert files_by_name(slides, SLIDES)["image"] == slides / "image.ome.zarr"


def test_a_missing_or_empty_folder_is_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    slides, drawn = folders
    with pytest.raises(DataSetError, match=r"no such folder.*`annotations`"):
        annotated_slides(slides, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataSetError, match=r"holds no slides.*`slides`"):
        annotated_slides(tmp_path / "empty", drawn)


@pytest.mark.parametrize(
    ("slide", "drawn"),
    [
        ("x.svs", "x.svs.geojson"),
        ("x.svs", "x.svs.geojson.gz"),
        ("x.SVS", "x.SVS.xml"),
        ("x.svs", "x.svs.png"),
        ("x.ome.tif", "x.ome.geojson"),
        ("x.ome.tif", "x.ome.tif.json"),
        ("x.ome.tif", "x.geojson"),
        ("x.1.ndpi", "x.1.ndpi.annotations"),
        ("e\u0301.svs", "\u00e9.svs.geojson"),
        ("\u00e9.svs", "e\u0301.geojson"),
    ],
)
def test_annotations_may_be_called_after_all_of_a_slides_name(
    slide: str, drawn: str, tmp_path: Path
) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "s" / slide).touch()
    (tmp_path / "a" / drawn).touch()
    kind = annotation_kind(tmp_path / "s", tmp_path / "a")
    ((_, image, labels),) = pair_files(tmp_path / "s", SLIDES, tmp_path / "a", kind, None)
    assert (image.name, labels.name) == (slide, drawn)
    assert list(annotated_slides(tmp_path / "s", tmp_path / "a").values()) == [labels]


def test_two_annotations_of_one_slide_are_told(folders: tuple[Path, Path]) -> None:
    slides, drawn = folders
    (drawn / "a.svs.geojson").touch()
    with pytest.raises(DataSetError, match=r"belong to the same sample.*Keep one") as caught:
        annotated_slides(slides, drawn)
    assert "a.geojson.gz" in caught.value.what
    assert "a.svs.geojson" in caught.value.what


def test_a_slide_whose_name_another_begins_with_keeps_its_own(tmp_path: Path) -> None:
    for name in ("x.svs", "x.svs.tif", "x.geojson", "x.svs.geojson"):
        (tmp_path / name).touch()
    kind = annotation_kind(tmp_path, tmp_path)
    assert [
        (name, image.name, labels.name)
        for name, image, labels in pair_files(tmp_path, SLIDES, tmp_path, kind, None)
    ] == [("x", "x.svs", "x.geojson"), ("x.svs", "x.svs.tif", "x.svs.geojson")]


def test_labels_that_are_nearly_there_are_named(tmp_path: Path) -> None:
    for folder, names in (("img", ("a.png", "b.png")), ("lab", ("a.jpg", "b_mask.png"))):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).touch()
    with pytest.raises(DataSetError, match=r"a, b .*a.jpg is there, but such pictures lose"):
        pair_files(tmp_path / "img", IMAGES, tmp_path / "lab", LABELS, None)
    (tmp_path / "lab" / "a.jpg").rename(tmp_path / "lab" / "a.png")
    with pytest.raises(DataSetError, match=r"no labels: b .*b_mask.png is there: .*rename"):
        pair_files(tmp_path / "img", IMAGES, tmp_path / "lab", LABELS, None)


def test_reported_folders_hold_three_pictures(tmp_path: Path) -> None:
    folder = make_set("own", tmp_path)
    pairs = pair_files(folder / "img", IMAGES, folder / "lab", LABELS, None)
    assert [(image.name, mask.name) for _, image, mask in pairs] == [
        ("a.JPG", "a.PNG"),
        ("b.jpeg", "b.png"),
        ("c.png", "c.png"),
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [("own_jpg", "no labels: a .*a.jpg is there"), ("own_suffix", "a_mask.PNG is there")],
)
def test_reported_labels_that_do_not_fit(tmp_path: Path, name: str, message: str) -> None:
    folder = make_set(name, tmp_path)
    with pytest.raises(DataSetError, match=message):
        pair_files(folder / "img", IMAGES, folder / "lab", LABELS, None)
