"""A checkpoint's classes and a data set's."""

import numpy as np
import pytest

from wsiseg.classes import LabelClass
from wsiseg.errors import DataSetError
from wsiseg.models.class_sets import CAMVID, CITYSCAPES, VOID
from wsiseg.training.class_matching import match_classes
from wsiseg.training.datasets.dataset import DataSet
from wsiseg.training.datasets.layout import Layout
from wsiseg.training.datasets.public import LAYOUTS

IGNORED = 255


def classes(*names: str) -> tuple[LabelClass, ...]:
    return tuple(LabelClass(name, (0, 0, 0)) for name in names)


def data(*names: str, **categories: str) -> DataSet:
    return DataSet("data", classes(*names), (), categories)


def whole(name: str) -> DataSet:
    layout = LAYOUTS[name]
    return DataSet(name, layout.classes, (), layout.categories)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_set_matches_itself(layout: Layout) -> None:
    found = match_classes(layout.classes, whole(layout.name))
    count = len(layout.classes)
    assert found.names == tuple(entry.name for entry in layout.classes)
    for table in (found.truth, found.predicted):
        assert table.dtype == np.uint8
        np.testing.assert_array_equal(table[:count], np.arange(count))
        assert (table[count:] == IGNORED).all()
    assert found.categories == layout.categories


def test_classes_are_matched_by_name_in_the_order_of_the_data() -> None:
    found = match_classes(classes("fat", "tumour", "gland"), data("gland", "fat"))
    assert found.names == ("gland", "fat")
    np.testing.assert_array_equal(found.truth[:3], [0, 1, IGNORED])
    # A prediction of what nobody asked for is none of them, and so wrong.
    np.testing.assert_array_equal(found.predicted[:4], [1, IGNORED, 0, IGNORED])


def test_ignored_truth_stays_ignored() -> None:
    found = match_classes(classes("a"), data("a"))
    assert found.truth[IGNORED] == IGNORED


@pytest.mark.parametrize("known", [CITYSCAPES, CAMVID])
def test_an_authors_void_does_no_harm(known: tuple[LabelClass, ...]) -> None:
    dataset = DataSet("data", known, ())
    found = match_classes((*known, VOID), dataset)
    assert len(found.names) == len(known)
    assert found.predicted[len(known)] == IGNORED


def test_cityscapes_is_scored_on_mapillary_by_its_seven_categories() -> None:
    mapillary = whole("mapillary")
    found = match_classes((*CITYSCAPES, VOID), mapillary)
    assert found.names == ("flat", "construction", "object", "nature", "sky", "human", "vehicle")
    assert not found.categories

    def predicted(name: str) -> str:
        index = [entry.name for entry in CITYSCAPES].index(name)
        return found.names[found.predicted[index]]

    assert predicted("sidewalk") == "flat"
    assert predicted("wall") == "construction"
    assert predicted("rider") == "human"
    assert predicted("bicycle") == "vehicle"
    assert found.predicted[len(CITYSCAPES)] == IGNORED
    for index, entry in enumerate(mapillary.classes):
        category = mapillary.categories.get(entry.name)
        label = found.truth[index]
        assert (None if label == IGNORED else found.names[label]) == category
    # Every category is there to be scored.
    assert set(found.truth.tolist()) == {*range(7), IGNORED}


def test_a_class_that_the_checkpoint_does_not_know_is_named() -> None:
    with pytest.raises(DataSetError, match="does not know gland, lumen") as caught:
        match_classes(classes("tumour", "fat"), data("fat", "gland", "lumen"))
    assert "It knows tumour, fat; `class_map`" in str(caught.value)
    with pytest.raises(DataSetError, match="It knows tumour, fat") as caught:
        match_classes(classes("tumour", "fat"), whole("camvid"))
    # The classes of a public set are known; nothing can map them.
    assert "`class_map`" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_masks_of_nuclei_need_not_tell_glass_from_tissue() -> None:
    found = match_classes(classes("glass", "tissue", "nucleus"), data("background", "nucleus"))
    assert found.names == ("background", "nucleus")
    np.testing.assert_array_equal(found.truth[:3], [0, 1, IGNORED])
    np.testing.assert_array_equal(found.predicted[:4], [0, 0, 1, IGNORED])
    assert found.rest == {"background": ("glass", "tissue")}
    assert not found.extra


@pytest.mark.parametrize(
    ("known", "named"),
    [
        # no class is left that the unknown one could stand for
        (("fat", "tumour"), ("fat", "tumour", "gland")),
        # nothing that both know
        (("fat", "tumour"), ("gland",)),
        # two that could stand for the same
        (("glass", "tissue", "nucleus"), ("background", "nuclei")),
        (("glass", "tissue", "nucleus"), ("background", "lumen", "nucleus")),
    ],
)
def test_nothing_is_guessed_about_classes_that_could_mean_anything(
    known: tuple[str, ...], named: tuple[str, ...]
) -> None:
    with pytest.raises(DataSetError, match="the checkpoint does not know") as caught:
        match_classes(classes(*known), data(*named))
    assert "one other name to all the rest" in str(caught.value)


@pytest.mark.parametrize("name", ["nuclei", "nucelus", "Nucleus"])
def test_a_misspelt_class_does_not_stand_for_the_rest(name: str) -> None:
    with pytest.raises(DataSetError, match="Did you mean nucleus"):
        match_classes(classes("glass", "tissue", "nucleus"), data("tissue", name))


@pytest.mark.parametrize("name", ["ground", "background", "non-nucleus", "unannotated", "0"])
def test_the_rest_may_have_any_other_name(name: str) -> None:
    found = match_classes(classes("glass", "tissue", "nucleus"), data("tissue", name))
    assert found.rest == {name: ("glass", "nucleus")}


def test_a_class_of_a_public_set_stands_for_no_other() -> None:
    cityscapes = whole("cityscapes")
    assert cityscapes.classes[-1].name == "bicycle"
    with pytest.raises(DataSetError, match="does not know bicycle"):
        match_classes((*CITYSCAPES[:-1], VOID), cityscapes)


def test_of_many_unknown_classes_a_few_are_named() -> None:
    with pytest.raises(DataSetError, match=r"does not know a, b, c, d, e, … "):
        match_classes(classes("x"), data(*"abcdefg"))


@pytest.mark.parametrize(
    ("known", "dataset"),
    [
        # only one side has categories, or the checkpoint has not all of a set's classes
        (CAMVID, "mapillary"),
        (CITYSCAPES[:-1], "mapillary"),
        (CITYSCAPES, "voc"),
    ],
)
def test_without_categories_in_common_there_is_nothing_to_score(
    known: tuple[LabelClass, ...], dataset: str
) -> None:
    with pytest.raises(DataSetError, match="the checkpoint does not know"):
        match_classes(known, whole(dataset))
