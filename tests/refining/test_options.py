"""The settings of post-processing, and what they mean for a mask."""

import inspect
from typing import get_type_hints

import pytest
from pydantic import TypeAdapter

import wsiseg
from stored_masks import CLASSES
from wsiseg.errors import ArgumentError, ResolutionError
from wsiseg.refining.keywords import RefineKeywords
from wsiseg.refining.options import RefineOptions
from wsiseg.refining.refinement import plan_refinement

BY_LABEL = dict(enumerate(CLASSES))


def plan(mpp=0.5, classes=BY_LABEL, **options):
    return plan_refinement(RefineOptions(**options), classes, mpp, "a.ome.zarr")


def test_the_typed_keywords_are_those_of_the_options():
    hints = get_type_hints(RefineKeywords)
    assert hints.keys() == RefineOptions.model_fields.keys()
    for name, field in RefineOptions.model_fields.items():
        assert TypeAdapter(hints[name]).validate_python(field.default) == field.default
        assert inspect.signature(wsiseg.refine).parameters[name].default is None


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("50um2", {"*": 50}),
        (50, {"*": 50}),
        ("gland=0.1mm2", {"gland": 1e5}),
        (["50um2", "a=b=2um2"], {"*": 50, "a=b": 2}),
        ({"gland": "2 um²", "*": 3.5}, {"gland": 2, "*": 3.5}),
        (None, None),
        ([], None),
    ],
)
def test_areas_of_holes(given, read):
    assert RefineOptions(fill_holes=given).fill_holes == read


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"fill_holes": "50um"}, "'50um' is not an area"),
        ({"fill_holes": "0um2"}, "0um2 is not an area to fill"),
        ({"fill_holes": float("nan")}, "nan is not an area to fill"),
        ({"fill_holes": ["1um2", "2um2"]}, "two values for all classes"),
        ({"fill_holes": ["a=1um2", "a=2um2"]}, "two values for 'a'"),
        ({"fill_holes": "=2um2"}, "names no class"),
        ({"threshold": "0.7"}, "names no class"),
        ({"threshold": "nucleus"}, "Write it like tumour=0.7"),
        ({"threshold": "a=much"}, "'much' is not a number"),
        ({"threshold": "a=0"}, "0 is not a probability"),
        ({"threshold": {"a": 1.5}}, "1.5 is not a probability"),
        ({"threshold": {"a": "nan"}}, "nan is not a probability"),
        ({"smooth": "2um2"}, "is not a length"),
        ({"smooth": -1}, "too small"),
        ({"min_area": 0}, "too small"),
    ],
)
def test_what_makes_no_sense_is_refused(options, what):
    with pytest.raises(ArgumentError, match=what) as refused:
        RefineOptions(**options)
    (name,) = options
    assert refused.value.where == f"`{name}`"


def test_an_area_of_exactly_the_limit_is_not_smaller():
    for mpp in (0.1, 0.25, 0.3, 0.5, 0.7, 1 / 3):
        for pixels in (2, 3, 7, 50, 3001):
            assert plan(mpp, min_area=pixels * mpp**2).smallest == pixels
            assert plan(mpp, min_area=(pixels + 0.01) * mpp**2).smallest == pixels + 1
            assert plan(mpp, fill_holes=pixels * mpp**2).holes[0].pixels == pixels


def test_a_radius_reaches_pixels_at_exactly_its_length():
    for mpp in (0.1, 0.25, 0.3, 1 / 3):
        for pixels in (1, 3, 20):
            assert plan(mpp, smooth=pixels * mpp).squared_radius == pixels**2
    assert plan(0.5, smooth="1.25um").squared_radius == 6


def test_a_threshold_of_a_byte_is_reached_by_it():
    for byte in (1, 77, 178, 255):
        assert plan(threshold={"gland": byte / 255}).thresholds == {1: byte}
    assert plan(threshold={"gland": 0.7}).thresholds == {1: 179}


def test_holes_are_those_of_every_class_or_of_one():
    alike = plan(fill_holes="5um2")
    assert [(each.label, each.inside) for each in alike.holes] == [(1, {0}), (2, {0, 1})]
    (named,) = plan(fill_holes="ground=5um2").named_holes
    assert named.label == 0
    assert {1, 2, 7} <= named.inside
    assert not {0, 255} & named.inside
    # A ground without a name is one.
    only = {1: CLASSES[1]}
    assert [each.label for each in plan(classes=only, fill_holes="5um2").holes] == [1]


def test_nothing_is_measured_without_a_scale():
    for options in ({"smooth": "2um"}, {"fill_holes": "2um2"}, {"min_area": 3.0}):
        (name,) = options
        with pytest.raises(ResolutionError, match=f"`{name}` is given in µm"):
            plan(None, **options)
    assert plan(None, threshold="gland=0.5").thresholds == {1: 128}


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"threshold": "glnd=0.5"}, r"no class 'glnd' \(`threshold`\)\. There are ground, gland"),
        ({"fill_holes": "glnd=5um2"}, r"no class 'glnd' \(`fill_holes`\)"),
        ({"threshold": [f"{each.name}=0.5" for each in CLASSES]}, "every class has a threshold"),
        ({"smooth": "1mm"}, r"1000 µm are more than 256 pixels .* Give 128um at most"),
    ],
)
def test_what_makes_no_sense_for_the_mask_is_refused(options, what):
    with pytest.raises(ArgumentError, match=what):
        plan(**options)


def test_what_does_nothing_is_said():
    (said,) = plan(smooth="0.4um").warnings
    assert said.startswith("`smooth` is less than a pixel")
    (said,) = plan(min_area=0.25).warnings
    assert said.startswith("`min_area` is at most a pixel")
