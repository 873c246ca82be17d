"""A run is not continued with settings that would give other pixels; the message names them."""

from pathlib import Path

import pytest

from wsiseg.errors import OutputError
from wsiseg.store.journal import refuse_other_run

PLANE = {"height": 300, "level": 0, "level_scale": 2.0, "slide_scale": 2.0, "mpp": 0.5}
BEFORE = {"slide": {"size": 1}, "blend": "crop", "plane": PLANE, "windows": [], "colours": None}


def refused(**changes: object) -> str:
    with pytest.raises(OutputError) as caught:
        refuse_other_run(BEFORE, BEFORE | changes, Path("a.journal"))
    return caught.value.what


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"blend": "cosine"}, "`blend`: crop, not cosine"),
        ({"plane": PLANE | {"mpp": 1.0, "height": 150, "level": 1}}, "`mpp`: 0.5, not 1.0"),
        ({"plane": PLANE | {"level": 1, "level_scale": 1.0}}, "`level`: 0, not 1"),
        ({"plane": PLANE | {"slide_scale": 1.0}}, "`slide_mpp`"),
        ({"windows": [{"x": 0}]}, "`memory`"),
        ({"slide": {"size": 2}}, "slide"),
        ({"colours": [{"step": "icc"}]}, "`icc`, `stain` or `stain_reference`"),
    ],
)
def test_the_parameter_that_differs_is_named(changes, named):
    assert refused(**changes) == f"the existing output was made with another {named}"


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({}, {"tta": True}, "without `tta`"),
        ({"probabilities": True}, {"probabilities": False}, "with `probabilities`"),
        ({"uncertainty": "entropy"}, {"uncertainty": None}, "with `uncertainty` entropy"),
        ({"fill_holes": {"a": 1.0}}, {"fill_holes": None}, "with another `fill_holes`"),
        ({"min_area": 1.0}, {"min_area": 2.0}, "with another `min_area`: 1.0, not 2.0"),
    ],
)
def test_what_is_on_now_or_was_is_said_without_values_that_mean_nothing(before, now, said):
    with pytest.raises(OutputError) as caught:
        refuse_other_run(before, now, Path("a.journal"))
    assert caught.value.what == f"the existing output was made {said}"


def test_the_same_settings_pass():
    refuse_other_run(BEFORE, dict(BEFORE), Path("a.journal"))
