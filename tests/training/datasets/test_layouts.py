from pathlib import Path

import pytest

from wsiseg.annotations.labels import IGNORED
from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.training.datasets.layout import Layout, match_by_name
from wsiseg.training.datasets.public import LAYOUTS

all_layouts = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


@all_layouts
def test_classes_differ_in_name_and_colour(layout: Layout) -> None:
    assert len({entry.name for entry in layout.classes}) == len(layout.classes)
    assert len({entry.colour for entry in layout.classes}) == len(layout.classes)


@all_layouts
def test_values_mean_every_class_and_nothing_else(layout: Layout) -> None:
    assert set(layout.meanings.values()) - {IGNORED} == set(range(len(layout.classes)))
    assert all(0 <= value <= 255 for value in layout.meanings)


@all_layouts
def test_categories_are_those_of_classes(layout: Layout) -> None:
    assert layout.categories.keys() <= {entry.name for entry in layout.classes}
    if layout.categories:
        assert len(set(layout.categories.values())) == 7


@all_layouts
def test_train_and_val_are_parts_whatever_the_set_calls_them(layout: Layout) -> None:
    assert layout.find_split("train") == layout.find_split("training") == layout.training_split
    assert layout.find_split("val") == layout.find_split("validation") == layout.validation_split
    assert {layout.training_split, layout.validation_split} <= set(layout.splits)
    assert all(layout.find_split(split) == split for split in layout.splits)


@all_layouts
def test_an_unknown_part_is_refused_with_one_that_is_meant(layout: Layout, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="Did you mean val"):
        layout.open(tmp_path, "vall")
    with pytest.raises(ArgumentError, match=f"Its parts are {layout.splits[0]}"):
        layout.open(tmp_path, "xyz")


@all_layouts
def test_parts_without_public_labels_say_so(layout: Layout, tmp_path: Path) -> None:
    for part in layout.unlabelled:
        with pytest.raises(DataSetError, match="not public"):
            layout.open(tmp_path, part)


@all_layouts
def test_a_folder_that_is_none_or_holds_something_else(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataSetError, match="a file, not a folder"):
        layout.open(tmp_path / "file", "train")
    with pytest.raises(DataSetError, match="no such folder"):
        layout.open(tmp_path / "nowhere", "train")
    with pytest.raises(DataSetError, match=f"{layout.name} wants `root`"):
        layout.open(tmp_path, "train")


def test_sets_are_found_by_name() -> None:
    for layout in LAYOUTS.values():
        assert LAYOUTS[layout.name] is layout
    with pytest.raises(ArgumentError, match="Did you mean cityscapes"):
        LAYOUTS.find("CityScape", "`dataset`")
    with pytest.raises(ArgumentError, match="Use camvid, cityscapes, voc, mapillary"):
        LAYOUTS.find("imagenet", "`dataset`")


def test_names_are_matched_over_both_folders(tmp_path: Path) -> None:
    images, labels = tmp_path / "images", tmp_path / "labels"
    for path in (images / "b.jpg", images / "a.jpg", images / "._a.jpg", images / "list.txt"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    labels.mkdir()
    (labels / "c.png").touch()
    assert match_by_name(images, ".jpg", labels, ".png") == [
        (images / f"{name}.jpg", labels / f"{name}.png") for name in "abc"
    ]
    assert match_by_name(tmp_path / "none", ".jpg", labels, ".png") == [
        (tmp_path / "none" / "c.jpg", labels / "c.png")
    ]
