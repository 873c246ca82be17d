"""Slides whose µm per pixel the user gives."""

import pickle

import numpy as np
import pytest
from PIL import Image

from wsiseg.errors import ResolutionError
from wsiseg.tiling.resolution import plane_at_mpp
from wsiseg.tiling.slides import open_slide


@pytest.fixture
def silent(tmp_path):
    path = tmp_path / "silent.png"
    Image.fromarray(np.full((60, 80, 3), 200, np.uint8)).save(path)
    return path


def test_a_file_that_states_nothing_takes_what_is_given(silent):
    with open_slide(silent, slide_mpp=0.25) as slide:
        assert (slide.mpp, slide.facts.mpp_source) == (0.25, "given by the user")
        assert plane_at_mpp(slide, 0.5).box.shape == (30, 40)
        assert slide.facts.warnings == ()
        with pickle.loads(pickle.dumps(slide)) as copy:
            assert copy.mpp == 0.25
            assert copy.fingerprint() == slide.fingerprint()


def test_a_value_that_no_microscope_means_is_filled_in_as_well(tmp_path):
    path = tmp_path / "screen.tif"
    Image.fromarray(np.full((60, 80, 3), 200, np.uint8)).save(path, resolution=72.0)
    with open_slide(path) as slide:
        assert slide.mpp is None
    with open_slide(path, slide_mpp=0.25) as slide:
        assert slide.mpp == 0.25


def test_another_value_than_the_file_states_is_refused(real_slide):
    with pytest.raises(ResolutionError) as caught:
        open_slide(real_slide, slide_mpp=0.25)
    assert caught.value.what == "the slide states pixels of 0.499 µm (aperio.MPP), not 0.25 µm"
    assert "`override_mpp`" in str(caught.value.hint)


def test_the_same_but_for_rounding_leaves_the_file_its_own(real_slide):
    with open_slide(real_slide, slide_mpp=0.5) as slide:
        assert (slide.mpp, slide.facts.mpp_source) == (0.499, "aperio.MPP")


def test_what_overrules_the_file_is_said(real_slide):
    with open_slide(real_slide, slide_mpp=0.25, override_mpp=True) as slide:
        assert slide.mpp == 0.25
        assert any(
            "states pixels of 0.499 µm (aperio.MPP); 0.25 µm are taken" in warning
            for warning in slide.facts.warnings
        )
        with pickle.loads(pickle.dumps(slide)) as copy:
            assert copy.facts == slide.facts


def test_pixels_are_as_the_file_stores_them(tmp_path):
    path = tmp_path / "flat.tif"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    # 0.5 µm in height and 0.25 in width.
    Image.fromarray(pixels).save(
        path, x_resolution=40000.0, y_resolution=20000.0, resolution_unit=3
    )
    with open_slide(path) as slide:
        assert slide.levels[0].box.shape == (80, 60)
    with pytest.raises(ResolutionError, match=r"0\.5 µm in height and 0\.25 µm in width"):
        open_slide(path, slide_mpp=0.25)
    with open_slide(path, slide_mpp=0.3, override_mpp=True) as slide:
        assert slide.mpp == 0.3
        np.testing.assert_array_equal(slide.read_region(0, slide.levels[0].box), pixels)


@pytest.mark.parametrize("mpp", [0.0, -1.0, 0.01, 25.0, float("nan"), float("inf")])
def test_what_no_microscope_has_is_refused(silent, mpp):
    with pytest.raises(ResolutionError) as caught:
        open_slide(silent, slide_mpp=mpp)
    assert caught.value.where == "`slide_mpp`"
