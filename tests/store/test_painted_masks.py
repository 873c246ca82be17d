"""Stores that are painted part by part."""

import shutil
from functools import partial

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05.image_label import ImageLabel
from yaozarrs import validate_zarr_store

from wsiseg.classes import LabelClass
from wsiseg.errors import AnnotationError, OutputError, OutputExistsError
from wsiseg.store import disk, painted_masks
from wsiseg.store.label_images import open_label_image
from wsiseg.store.metadata import Placement
from wsiseg.store.painted_masks import PaintedPart, add_to_painted_mask, write_painted_mask
from wsiseg.store.pyramid import build_pyramid, halve_by_mode
from wsiseg.tiling import Box
from wsiseg.tiling.bands import NO_LABEL

SHAPE = (2301, 2603)
TUMOUR, STROMA, FAT = (
    LabelClass("tumour", (200, 0, 0)),
    LabelClass("stroma", (0, 0, 200)),
    LabelClass("fat", (250, 250, 0)),
)


def part(box, classes=(TUMOUR, STROMA), seed=0, shape=SHAPE, mpp=0.8, slide="biopsy.tiff"):
    """Return noise of the classes and of what nobody painted."""
    values = np.array([*range(len(classes)), NO_LABEL], np.uint8)
    labels = np.random.default_rng(seed).choice(values, box.shape)
    return PaintedPart(labels, box, shape, Placement(mpp, 1.6), classes, slide)


def levels_of(store):
    return [np.asarray(level[:]) for level in open_label_image(store).levels]


def whole(*parts):
    """Return what parts over each other look like, labels as they are."""
    labels = np.full(SHAPE, NO_LABEL, np.uint8)
    for each in parts:
        view = labels[each.box.slices_in(Box(0, 0, *SHAPE))]
        view[each.labels != NO_LABEL] = each.labels[each.labels != NO_LABEL]
    return labels


SAVES = (add_to_painted_mask, partial(write_painted_mask, replace=True))
FIRST, SECOND = Box(500, 301, 700, 803), Box(1101, 1000, 1200, 1603)


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "biopsy.ome.zarr"
    write_painted_mask(path, part(FIRST))
    return path


def test_a_part_lies_in_its_place_on_every_level(store, tmp_path):
    add_to_painted_mask(store, part(SECOND, seed=1))
    levels = levels_of(store)
    finest = whole(part(FIRST), part(SECOND, seed=1))
    np.testing.assert_array_equal(levels[0], finest)
    plain = zarr.create_group(tmp_path / "plain")
    plain.create_array("0", data=finest, fill_value=NO_LABEL)
    assert build_pyramid(tmp_path / "plain", halve_by_mode) == len(levels)
    for level, labels in enumerate(levels):
        np.testing.assert_array_equal(labels, plain[str(level)][:])


def test_two_validators_accept_it(store):
    for _ in range(2):
        label = ImageLabel.from_zarr(zarr.open_group(store, mode="r"))
        assert label.ome_attributes.image_label is not None
        validate_zarr_store(str(store))
        add_to_painted_mask(store, part(SECOND, seed=1))


def test_names_colours_and_place_are_kept(store):
    image = open_label_image(store)
    assert image.classes == {0: TUMOUR, 1: STROMA}
    assert (image.unit, image.scale) == ("micrometer", pytest.approx(0.8))
    assert image.shift == pytest.approx((0.15, 0.15))


def test_classes_of_another_part_are_told_by_their_names(store):
    other = part(SECOND, classes=(FAT, TUMOUR), seed=1)
    add_to_painted_mask(store, other)
    assert open_label_image(store).classes == {0: TUMOUR, 1: STROMA, 2: FAT}
    renumbered = np.array([2, 0, *range(2, 256)], np.uint8)[other.labels]
    placed = SECOND.slices_in(Box(0, 0, *SHAPE))
    expected = np.where(renumbered == NO_LABEL, whole(part(FIRST))[placed], renumbered)
    np.testing.assert_array_equal(levels_of(store)[0][placed], expected)


def test_what_stands_is_replaced_only_on_demand(store):
    with pytest.raises(OutputExistsError, match="exists"):
        write_painted_mask(store, part(SECOND))
    np.testing.assert_array_equal(levels_of(store)[0], whole(part(FIRST)))
    write_painted_mask(store, part(SECOND), replace=True)
    np.testing.assert_array_equal(levels_of(store)[0], whole(part(SECOND)))


@pytest.mark.parametrize(
    "other",
    [
        {"mpp": 0.5},
        {"mpp": None},
        {"shape": (2302, 2603)},
        {"slide": "other.tiff"},
    ],
)
def test_a_part_of_another_plane_is_refused(store, other):
    with pytest.raises(AnnotationError, match=r"pixels of 0\.8 µm"):
        add_to_painted_mask(store, part(SECOND, **other))


@pytest.mark.parametrize("save", SAVES)
def test_what_is_no_painting_is_left_alone(store, save):
    group = zarr.open_group(store, mode="r+")
    group.attrs["wsiseg"] = {"slide": "biopsy.tiff", "run": "biopsy.run.json"}
    with pytest.raises(OutputExistsError, match="not painted by hand"):
        save(store, part(SECOND))
    shutil.rmtree(store)
    store.mkdir()
    (store / "letter.txt").write_text("dear reader")
    with pytest.raises(OutputExistsError, match="not a mask"):
        save(store, part(SECOND))
    assert (store / "letter.txt").exists()


@pytest.mark.parametrize(
    ("room", "step"),
    [(painted_masks, "_paint"), (painted_masks, "_describe"), (disk, "_exchange")],
)
@pytest.mark.parametrize("save", SAVES)
def test_a_failed_save_leaves_what_stood(store, room, step, save, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room, step, fail)
    with pytest.raises(OutputError, match="No space left"):
        save(store, part(SECOND))
    np.testing.assert_array_equal(levels_of(store)[0], whole(part(FIRST)))
    assert [path.name for path in store.parent.iterdir()] == [store.name]
    monkeypatch.undo()
    add_to_painted_mask(store, part(SECOND, seed=1))
    assert [path.name for path in store.parent.iterdir()] == [store.name]


def test_what_is_retired_comes_back_if_its_successor_cannot_move(store, monkeypatch):
    rename = type(store).rename

    def fail(path, target):
        if path.name.endswith(".partial"):
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(type(store), "rename", fail)
    with pytest.raises(OutputError, match="Input/output"):
        write_painted_mask(store, part(SECOND), replace=True)
    np.testing.assert_array_equal(levels_of(store)[0], whole(part(FIRST)))
    assert [path.name for path in store.parent.iterdir()] == [store.name]
