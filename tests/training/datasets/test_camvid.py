import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsiseg.annotations.labels import IGNORED
from wsiseg.errors import DataSetError
from wsiseg.tiling import open_slide
from wsiseg.tiling.resolution import plane_at_level
from wsiseg.training.datasets.public import LAYOUTS

CAMVID = LAYOUTS["camvid"]


@pytest.mark.parametrize(("split", "count"), [("train", 123), ("val", 34)])
def test_the_real_set_is_found(data: Path, split: str, count: int) -> None:
    dataset = CAMVID.open(data / "camvid", split)
    assert dataset.name == "camvid"
    assert len(dataset.samples) == count
    assert [s.name for s in dataset.samples] == sorted(s.name for s in dataset.samples)
    assert not dataset.categories
    assert not dataset.sparse


def test_real_labels_are_read_and_void_is_ignored(data: Path) -> None:
    sample = CAMVID.open(data / "camvid", "val").samples[0]
    with open_slide(sample.image) as slide:
        plane = plane_at_level(slide, 0)
        labels = sample.labels.open(slide, plane).read(plane.box)
    values = np.asarray(Image.open(data / "camvid" / "valannot" / f"{sample.name}.png"))
    np.testing.assert_array_equal(labels, np.where(values == 11, IGNORED, values))
    assert (values == 11).any()


def make_part(root: Path, names: str) -> None:
    for folder in ("train", "trainannot"):
        (root / folder).mkdir()
        for name in names:
            Image.new("L", (8, 6)).save(root / folder / f"{name}.png")


def test_missing_labels_are_counted(tmp_path: Path) -> None:
    make_part(tmp_path, "abcd")
    for name in "bd":
        (tmp_path / "trainannot" / f"{name}.png").unlink()
    with pytest.raises(
        DataSetError, match=r"2 of 4 pictures have no labels, b\.png is the first"
    ) as caught:
        CAMVID.open(tmp_path, "train")
    assert caught.value.where == tmp_path / "trainannot"


def test_missing_pictures_are_counted(tmp_path: Path) -> None:
    make_part(tmp_path, "abc")
    (tmp_path / "train" / "c.png").unlink()
    with pytest.raises(DataSetError, match="1 of 3 samples have no picture, c is the first"):
        CAMVID.open(tmp_path, "train")


def test_an_empty_part_and_one_without_labels(tmp_path: Path) -> None:
    make_part(tmp_path, "")
    with pytest.raises(DataSetError, match="the train part of camvid is empty"):
        CAMVID.open(tmp_path, "train")
    shutil.rmtree(tmp_path / "trainannot")
    with pytest.raises(DataSetError, match="trainannot"):
        CAMVID.open(tmp_path, "train")


def test_a_part_that_is_missing_names_those_that_are_there(tmp_path: Path) -> None:
    make_part(tmp_path, "ab")
    with pytest.raises(DataSetError, match=r"no such folder .*test\).*`split`, train is there"):
        CAMVID.open(tmp_path, "test")
    for kind in ("val", "valannot"):
        shutil.copytree(tmp_path / "train", tmp_path / kind)
        (tmp_path / "test").mkdir(exist_ok=True)
        (tmp_path / "testannot").mkdir(exist_ok=True)
    with pytest.raises(DataSetError, match=r"is empty .*`split`, train, val are there"):
        CAMVID.open(tmp_path, "test")
