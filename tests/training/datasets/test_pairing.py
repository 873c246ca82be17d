"""Which files of two folders belong together."""

from pathlib import Path

import pytest

from array_slide import noise
from wsiseg.errors import DataSetError
from wsiseg.training.datasets.pairing import (
    SLIDES,
    annotated_slides,
    files_by_name,
    sample_name,
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
    with pytest.raises(DataSetError, match=r"no such folder.*--annotations"):
        annotated_slides(slides, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataSetError, match=r"holds no slides.*--slides"):
        annotated_slides(tmp_path / "empty", drawn)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.svs", "a"),
        ("a.b.svs", "a.b"),
        ("a.ome.zarr", "a"),
        ("a.OME.TIF", "a"),
        ("a.geojson.gz", "a"),
        ("a", "a"),
    ],
)
def test_a_name_ends_before_its_ending(name: str, stem: str) -> None:
    assert sample_name(name) == stem
