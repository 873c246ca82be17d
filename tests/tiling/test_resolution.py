import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from array_slide import ArraySlide
from wsiseg.errors import ResolutionError
from wsiseg.tiling.resolution import level0_mpp, plane_at_level, plane_at_mpp, plane_at_scale
from wsiseg.tiling.slides import with_slide_mpp
from wsiseg.tiling.slides.slide import make_levels


def slide_of(*shapes: tuple[int, int], mpp: float | None = 0.25) -> ArraySlide:
    """Return a slide of which only the sizes matter."""
    return ArraySlide(*(np.broadcast_to(np.uint8(0), (*shape, 3)) for shape in shapes), mpp=mpp)


def test_a_slide_at_nearly_the_wanted_resolution_is_rescaled_exactly() -> None:
    plane = plane_at_mpp(slide_of((80000, 100000), mpp=0.2522), 0.25)
    assert plane.level_scale == pytest.approx(0.25 / 0.2522, rel=1e-12)
    assert plane.slide_scale == plane.level_scale
    assert (plane.height, plane.width) == (80704, 100880)
    assert plane.mpp == 0.25
    assert plane.resampled


@pytest.mark.parametrize(
    ("mpp", "level", "scale"),
    [
        (0.1, 0, 0.4),
        (0.25, 0, 1.0),
        (0.4, 0, 1.6),
        (0.499, 0, 1.996),
        (0.5, 1, 1.0),
        (0.9, 1, 1.8),
        (1.0, 2, 1.0),
        (8.0, 2, 8.0),
    ],
)
def test_the_level_read_is_the_coarsest_at_or_finer(mpp: float, level: int, scale: float) -> None:
    slide = slide_of((8000, 6000), (4000, 3000), (2000, 1500))
    plane = plane_at_mpp(slide, mpp)
    assert plane.level == level
    assert plane.level_scale == pytest.approx(scale)
    assert plane.slide_scale == pytest.approx(mpp / 0.25)
    assert (plane.height, plane.width) == (round(2000 / mpp), round(1500 / mpp))


def test_levels_need_no_order() -> None:
    slide = slide_of((8000, 6000), (2000, 1500), (4000, 3000))
    assert plane_at_mpp(slide, 0.6).level == 2
    assert plane_at_mpp(slide, 1.2).level == 1


def test_drift_of_less_than_half_a_pixel_is_not_resampled() -> None:
    slide = slide_of((1000, 900), mpp=0.5)
    plane = plane_at_mpp(slide, 0.5 * (1 + 0.0004))
    assert not plane.resampled
    assert (plane.height, plane.width, plane.level_scale) == (1000, 900, 1.0)
    assert plane.mpp == 0.5
    assert plane_at_mpp(slide, 0.5 * (1 + 0.0006)).resampled
    assert plane_at_mpp(slide, 0.5 * (1 - 0.0006)).resampled


def test_half_a_pixel_counts_along_the_longer_side() -> None:
    assert plane_at_mpp(slide_of((10000, 10), mpp=0.5), 0.5 * 1.0004).resampled
    assert plane_at_mpp(slide_of((10, 10000), mpp=0.5), 0.5 * 1.0004).resampled


@given(
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.floats(0.05, 20),
    st.floats(0.05, 20),
)
def test_the_plane_is_as_large_as_the_slide(
    height: int, width: int, slide_mpp: float, mpp: float
) -> None:
    plane = plane_at_mpp(slide_of((height, width), mpp=slide_mpp), mpp)
    assert plane.box.shape == (plane.height, plane.width)
    for working, full in ((plane.height, height), (plane.width, width)):
        assert working >= 1
        exact = full / plane.slide_scale
        assert abs(working - exact) <= max(0.5 + 1e-6, 1 - exact)
    # What is called the plane's resolution is what it has.
    assert plane.mpp == pytest.approx(slide_mpp * plane.slide_scale)
    assert plane.mpp == pytest.approx(mpp, rel=0.5 / max(height, width) + 1e-9)


@given(st.floats(0.05, 20), st.floats(0.05, 20))
def test_levels_are_never_enlarged_where_a_finer_one_exists(slide_mpp: float, mpp: float) -> None:
    assume(mpp >= slide_mpp)
    slide = slide_of((6400, 6400), (3200, 3200), (1600, 1600), (400, 400), mpp=slide_mpp)
    plane = plane_at_mpp(slide, mpp)
    assert plane.level_scale >= 1 - 1e-4
    coarser = slide.levels[plane.level + 1 :]
    assert all(level.downsample > plane.slide_scale for level in coarser)


@pytest.mark.parametrize("mpp", [None, 0.0, -0.5, 0.049, 20.1, 352.8, math.nan, math.inf])
def test_a_slide_without_a_sensible_resolution_is_refused_with_the_way_out(
    mpp: float | None,
) -> None:
    slide = slide_of((100, 100), mpp=mpp)
    with pytest.raises(ResolutionError) as caught:
        plane_at_mpp(slide, 0.5)
    assert "`slide_mpp`" in str(caught.value)
    assert "`level=0`" in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_an_absurd_resolution_is_named_with_its_source() -> None:
    with pytest.raises(ResolutionError, match=r"352\.8.*array\.mpp"):
        level0_mpp(slide_of((10, 10), mpp=352.8))


@pytest.mark.parametrize("mpp", [None, 352.8, 0.25])
def test_the_users_word_goes_before_the_files(mpp: float | None) -> None:
    slide = with_slide_mpp(slide_of((1000, 1000), mpp=mpp), 0.5, override=True)
    assert level0_mpp(slide) == 0.5
    plane = plane_at_mpp(slide, 1.0)
    assert (plane.height, plane.slide_scale, plane.mpp) == (500, 2.0, 1.0)
    assert plane_at_level(slide, 0).mpp == 0.5


@pytest.mark.parametrize("mpp", [0.0, -1.0, 0.049, 21.0, math.nan, math.inf])
def test_absurd_options_are_refused_by_name(mpp: float) -> None:
    with pytest.raises(ResolutionError, match="`mpp`"):
        plane_at_mpp(slide_of((100, 100)), mpp)


@pytest.mark.parametrize("mpp", [0.05, 20.0])
def test_the_limits_themselves_are_sensible(mpp: float) -> None:
    assert plane_at_mpp(slide_of((100, 100), mpp=mpp), mpp).mpp == mpp


def test_a_level_is_taken_as_it_is() -> None:
    slide = slide_of((2967, 2220), (1483, 1110), (741, 555), mpp=0.499)
    plane = plane_at_level(slide, 2)
    assert (plane.height, plane.width, plane.level) == (741, 555, 2)
    assert (plane.level_scale, plane.slide_scale) == (1.0, 4.0)
    assert plane.mpp == pytest.approx(4 * 0.499)
    assert not plane.resampled


@pytest.mark.parametrize("mpp", [None, 352.8, 0.0])
def test_a_level_needs_no_resolution(mpp: float | None) -> None:
    assert plane_at_level(slide_of((100, 100), mpp=mpp), 0).mpp is None


@pytest.mark.parametrize("level", [-1, 2])
def test_a_level_that_the_slide_has_not_is_refused(level: int) -> None:
    with pytest.raises(ResolutionError, match=f"no level {level}.*0 to 1"):
        plane_at_level(slide_of((100, 100), (50, 50)), level)


@pytest.mark.parametrize(
    ("scale", "level", "level_scale", "shape"),
    [
        (1.0, 0, 1.0, (8000, 6000)),
        (2.0, 0, 0.5, (16000, 12000)),
        (0.8, 0, 1.25, (6400, 4800)),
        (0.5, 1, 1.0, (4000, 3000)),
        (0.4, 1, 1.25, (3200, 2400)),
        (0.25, 2, 1.0, (2000, 1500)),
        (0.01, 2, 25.0, (80, 60)),
    ],
)
def test_a_scale_is_taken_from_the_coarsest_level_that_is_fine_enough(
    scale: float, level: int, level_scale: float, shape: tuple[int, int]
) -> None:
    plane = plane_at_scale(slide_of((8000, 6000), (4000, 3000), (2000, 1500)), scale)
    assert (plane.height, plane.width) == shape
    assert plane.level == level
    assert plane.level_scale == pytest.approx(level_scale)
    assert plane.slide_scale == pytest.approx(1 / scale)
    assert plane.mpp == pytest.approx(0.25 / scale)
    assert plane.resampled == (level_scale != 1)


@given(st.integers(1, 5000), st.integers(1, 5000), st.floats(0.05, 20), st.floats(0.25, 4))
@example(1, 2, 5.0, 1.5)
def test_a_scale_is_the_resolution_that_it_makes(
    height: int, width: int, mpp: float, scale: float
) -> None:
    assume(0.05 <= mpp / scale <= 20)
    slide = slide_of((height, width), mpp=mpp)
    found, expected = plane_at_scale(slide, scale), plane_at_mpp(slide, mpp / scale)
    assert (found.height, found.width) == (expected.height, expected.width)
    assert found.slide_scale == pytest.approx(expected.slide_scale)


@pytest.mark.parametrize("mpp", [None, 352.8])
def test_a_scale_needs_no_resolution_but_takes_the_users(mpp: float | None) -> None:
    slide = slide_of((1000, 900), mpp=mpp)
    assert plane_at_scale(slide, 0.5).mpp is None
    assert plane_at_scale(slide, 1.0).mpp is None
    given = with_slide_mpp(slide, 0.25)
    assert plane_at_scale(given, 0.5).mpp == 0.5
    assert plane_at_scale(given, 1.0).mpp == 0.25


@pytest.mark.parametrize("scale", [0.0, -1.0, 9e-5, 2e4, math.nan, math.inf])
def test_absurd_scales_are_refused_by_name(scale: float) -> None:
    with pytest.raises(ResolutionError, match="`scale`"):
        plane_at_scale(slide_of((100, 100)), scale)


@pytest.mark.parametrize("height", [741, 742])
def test_rounded_levels_have_whole_downsamples(height: int) -> None:
    levels = make_levels([(2967, 2220), (height, 555)])
    assert [level.downsample for level in levels] == [1.0, 4.0]


@given(st.integers(500, 20000), st.integers(500, 20000), st.sampled_from([2, 3, 4, 8, 16]))
def test_any_rounding_of_a_whole_factor_is_explained(height: int, width: int, whole: int) -> None:
    for h in {height // whole, -(-height // whole)}:
        for w in {width // whole, -(-width // whole)}:
            assert make_levels([(height, width), (h, w)])[1].downsample == whole


def test_a_factor_that_is_not_whole_is_kept() -> None:
    level = make_levels([(3000, 3000), (1200, 1200)])[1]
    assert level.downsample == 2.5
    assert level.box.shape == (1200, 1200)
