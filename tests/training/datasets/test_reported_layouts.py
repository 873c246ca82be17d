"""Public sets as people have them: packed on a Mac, renamed, edited in Windows."""

from pathlib import Path

import pytest
from PIL import Image

from odd_sets import make_set
from wsiseg.errors import DataSetError
from wsiseg.training.datasets.public import LAYOUTS


def samples(name: str, root: Path, split: str) -> list[tuple[str, str]]:
    found = LAYOUTS[name].open(root, split).samples
    return [(sample.image.name, sample.labels.path.name) for sample in found]


CITY = [
    (f"aachen_00000{n}_000019_leftImg8bit.png", f"aachen_00000{n}_000019_gtFine_labelIds.png")
    for n in (0, 1)
]
VOC = [(f"2007_00000{n}.jpg", f"2007_00000{n}.png") for n in (1, 2)]


@pytest.mark.parametrize(
    ("folder", "name", "split", "expected"),
    [
        ("camvid_upper", "camvid", "train", [("a.png", "a.png"), ("b.PNG", "b.PNG")]),
        ("camvid_upper", "camvid", "val", [("a.png", "a.png"), ("b.PNG", "b.PNG")]),
        ("city", "cityscapes", "train", CITY),
        ("city", "cityscapes", "val", CITY),
        ("city_both", "cityscapes", "train", CITY),
        ("voc", "voc", "train", VOC[:1]),
        ("voc", "voc", "val", VOC),
    ],
)
def test_reported_sets_hold_what_they_hold(
    tmp_path: Path, folder: str, name: str, split: str, expected: list[tuple[str, str]]
) -> None:
    assert samples(name, make_set(folder, tmp_path), split) == expected


def test_a_reported_set_that_lacks_labels(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="1 of 2 pictures have no labels, aachen_000001"):
        samples("cityscapes", make_set("city_missing", tmp_path), "val")


def put(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 3)).save(path, "PNG")


def test_mapillary_with_other_endings_and_companions(tmp_path: Path) -> None:
    images, labels = (tmp_path / "training" / kind for kind in ("images", "labels"))
    put(images / "a.JPG", images / "b.jpeg", images / "._a.JPG", images / "__MACOSX" / "c.jpg")
    put(labels / "a.PNG", labels / "b.png", labels / "._b.png", labels / "c.png" / "d.png")
    (images / "Thumbs.db").touch()
    assert samples("mapillary", tmp_path, "training") == [("a.JPG", "a.PNG"), ("b.jpeg", "b.png")]


def test_cityscapes_made_ids_beside_a_macs_companions(tmp_path: Path) -> None:
    images, labels = tmp_path / "leftImg8bit" / "val", tmp_path / "gtFine" / "val"
    put(images / "bonn" / "bonn_1_leftImg8bit.PNG", images / "__MACOSX" / "x_leftImg8bit.png")
    put(
        labels / "bonn" / "bonn_1_gtFine_labelTrainIds.PNG",
        labels / "bonn" / "._bonn_1_gtFine_labelIds.png",
        labels / "._bonn" / "x_gtFine_labelIds.png",
    )
    (sample,) = LAYOUTS["cityscapes"].open(tmp_path, "val").samples
    assert sample.labels.path.name == "bonn_1_gtFine_labelTrainIds.PNG"
    # 18 is the last class there, and of the published ids one that is not scored.
    assert sample.labels.table[18] == 18


def test_voc_lists_in_16_bits_with_names_of_files(tmp_path: Path) -> None:
    put(tmp_path / "JPEGImages" / "a.JPG", tmp_path / "JPEGImages" / "caf\u00e9.jpg")
    put(tmp_path / "SegmentationClass" / "a.png", tmp_path / "SegmentationClass" / "cafe\u0301.png")
    listed = tmp_path / "ImageSets" / "Segmentation" / "train.txt"
    listed.parent.mkdir(parents=True)
    listed.write_bytes("# made here\r\n/JPEGImages/a.JPG\r\n\r\ncafe\u0301 \r\n".encode("utf-16"))
    assert samples("voc", tmp_path, "train") == [
        ("a.JPG", "a.png"),
        ("caf\u00e9.jpg", "cafe\u0301.png"),
    ]


def test_two_pictures_of_one_name_are_told(tmp_path: Path) -> None:
    put(
        tmp_path / "train" / "a.png",
        tmp_path / "train" / "a.jpg",
        tmp_path / "trainannot" / "a.png",
    )
    with pytest.raises(DataSetError, match=r"a\.jpg and a\.png belong to the same sample"):
        samples("camvid", tmp_path, "train")


def test_a_picture_of_another_kind_is_a_sample(tmp_path: Path) -> None:
    put(*(tmp_path / part / "a.png" for part in ("train", "trainannot")))
    put(tmp_path / "train" / "b.jpg")
    with pytest.raises(DataSetError, match=r"1 of 2 pictures have no labels, b\.jpg is the first"):
        samples("camvid", tmp_path, "train")
