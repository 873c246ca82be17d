import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsiseg.errors import DataSetError
from wsiseg.tiling import open_slide
from wsiseg.tiling.resolution import plane_at_level
from wsiseg.training.datasets.public import LAYOUTS

LAYOUT = LAYOUTS["voc"]
SAMPLE = "natural/voc_labelme/data_dataset_voc"


def write_list(home: Path, split: str, lines: str) -> None:
    folder = home / "ImageSets" / "Segmentation"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{split}.txt").write_text(lines)


def write_set(home: Path, labels: str = "SegmentationClass", names: str = "abcd") -> Path:
    for folder in ("JPEGImages", labels):
        (home / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (22, 1)).save(home / "JPEGImages" / f"{name}.jpg")
        values = np.array([[*range(21), 255]], np.uint8)
        Image.fromarray(values).save(home / labels / f"{name}.png")
    return home


def names_in(root: Path, split: str) -> list[str]:
    return [sample.name for sample in LAYOUT.open(root, split).samples]


@pytest.fixture
def real(data: Path, tmp_path: Path) -> Path:
    for folder in ("JPEGImages", "SegmentationClass"):
        shutil.copytree(data / SAMPLE / folder, tmp_path / folder)
    write_list(tmp_path, "train", "2011_000003\n2011_000025\n\n")
    write_list(tmp_path, "val", "2011_000006\n")
    return tmp_path


def test_real_pictures_and_palettes_are_read(real: Path) -> None:
    assert names_in(real, "train") == ["2011_000003", "2011_000025"]
    (sample,) = LAYOUT.open(real, "val").samples
    with open_slide(sample.image) as slide:
        plane = plane_at_level(slide, 0)
        labels = sample.labels.open(slide, plane).read(plane.box)
    values = np.asarray(Image.open(real / "SegmentationClass" / "2011_000006.png"))
    np.testing.assert_array_equal(labels, values)
    named = {LAYOUT.classes[v].name for v in np.unique(labels) if v != 255}
    assert named == {"background", "chair", "person", "sofa"}


def test_a_folder_without_lists_says_so(data: Path) -> None:
    with pytest.raises(DataSetError, match="no list of the train part") as caught:
        LAYOUT.open(data / SAMPLE, "train")
    assert str(caught.value.where).endswith("ImageSets/Segmentation/train.txt")


@pytest.mark.parametrize("place", ["", "VOC2012", "VOCdevkit/VOC2012"])
def test_the_set_is_found_in_and_below_the_root(tmp_path: Path, place: str) -> None:
    write_list(write_set(tmp_path / place), "trainval", "b\na\nb\n")
    assert names_in(tmp_path, "trainval") == ["b", "a"]


def test_the_augmented_part_has_labels_of_its_own(tmp_path: Path) -> None:
    write_set(tmp_path)
    write_set(tmp_path, "SegmentationClassAug", "abcdef")
    write_list(tmp_path, "trainaug", "c\nf\n")
    samples = LAYOUT.open(tmp_path, "trainaug").samples
    assert [sample.name for sample in samples] == ["c", "f"]
    assert {sample.labels.path.parent.name for sample in samples} == {"SegmentationClassAug"}


def test_lists_that_name_files_are_understood(tmp_path: Path) -> None:
    write_set(tmp_path, "SegmentationClassAug")
    lines = (f"/JPEGImages/{name}.jpg /SegmentationClassAug/{name}.png" for name in "db")
    write_list(tmp_path, "trainaug", "\n".join(lines))
    assert names_in(tmp_path, "trainaug") == ["d", "b"]


def test_without_its_list_the_augmented_part_is_all_but_val(tmp_path: Path) -> None:
    write_set(tmp_path, "SegmentationClassAug", "abcdef")
    with pytest.raises(DataSetError, match="no list of the val part"):
        LAYOUT.open(tmp_path, "trainaug")
    write_list(tmp_path, "val", "b\ne\n")
    assert names_in(tmp_path, "trainaug") == ["a", "c", "d", "f"]


def test_the_augmented_part_without_its_labels(tmp_path: Path) -> None:
    write_list(write_set(tmp_path), "trainaug", "a")
    with pytest.raises(DataSetError, match="SegmentationClassAug"):
        LAYOUT.open(tmp_path, "trainaug")


def test_pictures_on_the_list_that_are_missing_are_counted(tmp_path: Path) -> None:
    write_list(write_set(tmp_path), "train", "a\nx\ny\n")
    with pytest.raises(DataSetError, match="2 of 3 samples have no picture, x is the first"):
        LAYOUT.open(tmp_path, "train")
    (tmp_path / "SegmentationClass" / "a.png").unlink()
    write_list(tmp_path, "train", "a\nb\n")
    with pytest.raises(DataSetError, match=r"1 of 2 pictures have no labels, a\.jpg is the first"):
        LAYOUT.open(tmp_path, "train")


def test_an_empty_list(tmp_path: Path) -> None:
    write_list(write_set(tmp_path), "train", "\n")
    with pytest.raises(DataSetError, match="the list of names is empty"):
        LAYOUT.open(tmp_path, "train")
