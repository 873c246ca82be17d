from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.errors import AnnotationError, DataSetError
from wsiseg.models.class_sets import CITYSCAPES, CITYSCAPES_CATEGORIES
from wsiseg.tiling import open_slide
from wsiseg.tiling.resolution import plane_at_level
from wsiseg.training.datasets.dataset import Sample
from wsiseg.training.datasets.public import LAYOUTS

LAYOUT = LAYOUTS["cityscapes"]
NAMES = {
    "aachen": ["aachen_000000_000019", "aachen_000001_000019"],
    "zurich": ["zurich_000002_000019"],
}
LABEL_IDS = np.arange(34, dtype=np.uint8).reshape(2, 17)

IDS_OF_CLASSES = {
    "road": 7,
    "sidewalk": 8,
    "building": 11,
    "wall": 12,
    "fence": 13,
    "pole": 17,
    "traffic light": 19,
    "traffic sign": 20,
    "vegetation": 21,
    "terrain": 22,
    "sky": 23,
    "person": 24,
    "rider": 25,
    "car": 26,
    "truck": 27,
    "bus": 28,
    "train": 31,
    "motorcycle": 32,
    "bicycle": 33,
}


def write_set(root: Path, split: str = "train", *kinds: str, values: Labels = LABEL_IDS) -> Path:
    """Make a part whose labels hold every value once."""
    for city, names in NAMES.items():
        images, labels = root / "leftImg8bit" / split / city, root / "gtFine" / split / city
        for folder in (images, labels):
            folder.mkdir(parents=True)
        for name in names:
            Image.new("RGB", values.shape[::-1]).save(images / f"{name}_leftImg8bit.png")
            for kind in kinds or ("labelIds",):
                Image.fromarray(values).save(labels / f"{name}_gtFine_{kind}.png")
            # What the download holds besides.
            Image.new("RGBA", values.shape[::-1]).save(labels / f"{name}_gtFine_color.png")
    return root


def read(sample: Sample) -> Labels:
    with open_slide(sample.image) as slide:
        plane = plane_at_level(slide, 0)
        return sample.labels.open(slide, plane).read(plane.box)


@pytest.mark.parametrize("split", ["train", "val"])
def test_pictures_of_all_cities_are_found(tmp_path: Path, split: str) -> None:
    dataset = LAYOUT.open(write_set(tmp_path, split), split)
    found = [sample.name for sample in dataset.samples]
    assert found == [f"{name}_leftImg8bit" for names in NAMES.values() for name in names]
    assert dataset.classes == CITYSCAPES
    assert dataset.categories == CITYSCAPES_CATEGORIES
    assert set(dataset.categories) == {entry.name for entry in CITYSCAPES}


def test_label_ids_become_the_nineteen_classes(tmp_path: Path) -> None:
    labels = read(LAYOUT.open(write_set(tmp_path), "train").samples[0])
    expected = np.full(34, IGNORED)
    for label, entry in enumerate(CITYSCAPES):
        expected[IDS_OF_CLASSES[entry.name]] = label
    np.testing.assert_array_equal(labels.ravel(), expected)


def test_the_licence_plate_is_ignored(tmp_path: Path) -> None:
    values = np.full((2, 2), 255, np.uint8)
    assert (read(LAYOUT.open(write_set(tmp_path, values=values), "train").samples[0]) == 255).all()


def test_train_ids_are_taken_where_there_are_no_label_ids(tmp_path: Path) -> None:
    values = np.array([[*range(19), 255]], np.uint8)
    write_set(tmp_path, "train", "labelTrainIds", values=values)
    labels = read(LAYOUT.open(tmp_path, "train").samples[0])
    np.testing.assert_array_equal(labels, values)


def test_label_ids_go_before_train_ids(tmp_path: Path) -> None:
    write_set(tmp_path, "train", "labelIds", "labelTrainIds")
    sample = LAYOUT.open(tmp_path, "train").samples[0]
    assert sample.labels.path.name.endswith("_gtFine_labelIds.png")


def test_train_ids_are_not_taken_for_label_ids(tmp_path: Path) -> None:
    write_set(tmp_path, "train", "labelTrainIds")
    sample = LAYOUT.open(tmp_path, "train").samples[0]
    with pytest.raises(AnnotationError, match="the value 19, which means no class"):
        read(sample)


def test_two_kinds_of_labels_in_one_part_are_refused(tmp_path: Path) -> None:
    write_set(tmp_path, "train", "labelIds", "labelTrainIds")
    (tmp_path / "gtFine/train/zurich/zurich_000002_000019_gtFine_labelIds.png").unlink()
    with pytest.raises(DataSetError) as caught:
        LAYOUT.open(tmp_path, "train")
    assert caught.value.what == (
        "2 samples have labelIds and 1 only labelTrainIds, zurich_000002_000019 is the first"
    )


def test_a_city_without_labels_is_counted(tmp_path: Path) -> None:
    write_set(tmp_path)
    for path in (tmp_path / "gtFine/train/aachen").glob("*labelIds.png"):
        path.unlink()
    with pytest.raises(DataSetError, match="2 of 3 pictures have no labels, aachen_000000"):
        LAYOUT.open(tmp_path, "train")


def test_a_city_without_pictures_is_counted(tmp_path: Path) -> None:
    write_set(tmp_path)
    for path in (tmp_path / "leftImg8bit/train/zurich").iterdir():
        path.unlink()
    (tmp_path / "leftImg8bit/train/zurich").rmdir()
    with pytest.raises(DataSetError, match="1 of 3 samples have no picture, zurich"):
        LAYOUT.open(tmp_path, "train")


def test_a_part_that_was_not_downloaded(tmp_path: Path) -> None:
    write_set(tmp_path, "val")
    with pytest.raises(DataSetError, match=r"no such folder \(.*train\)"):
        LAYOUT.open(tmp_path, "train")


def test_the_test_part_points_to_val(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="Score on val"):
        LAYOUT.open(write_set(tmp_path, "test"), "test")
