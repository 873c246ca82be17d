import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsiseg.tiling.blending import UNIT, Blend, tile_weights

blends = st.sampled_from(["gaussian", "cosine"])
shapes = st.tuples(st.integers(1, 80), st.integers(1, 80))


@given(blends, shapes)
def test_weights_are_symmetric_whole_and_at_least_one(blend: Blend, shape: tuple[int, int]) -> None:
    weights = tile_weights(blend, shape)
    assert weights.shape == shape
    assert weights.dtype == np.uint32
    assert weights.min() >= 1
    assert weights.max() <= UNIT
    np.testing.assert_array_equal(weights, weights[::-1])
    np.testing.assert_array_equal(weights, weights[:, ::-1])
    np.testing.assert_array_equal(weights, tile_weights(blend, shape[::-1]).T)


@given(blends, shapes)
def test_weights_fall_from_the_centre_to_the_edges(blend: Blend, shape: tuple[int, int]) -> None:
    weights = tile_weights(blend, shape).astype(int)
    middle_y, middle_x = (edge // 2 for edge in shape)
    assert (np.diff(weights[middle_y:], axis=0) <= 0).all()
    assert (np.diff(weights[:, middle_x:], axis=1) <= 0).all()
    assert weights[middle_y, middle_x] == weights.max()


@pytest.mark.parametrize("blend", ["gaussian", "cosine"])
def test_the_centre_of_an_odd_tile_has_the_whole_weight(blend: Blend) -> None:
    assert tile_weights(blend, (65, 33))[32, 16] == UNIT
    assert tile_weights(blend, (1, 1)).tolist() == [[UNIT]]


def test_a_gaussian_has_a_deviation_of_an_eighth_of_the_edge() -> None:
    profile = tile_weights("gaussian", (1, 65))[0] / UNIT
    distance = np.arange(65) - 32
    np.testing.assert_allclose(profile, np.exp(-(distance**2) / (2 * (65 / 8) ** 2)), atol=2e-5)


def test_raised_cosines_half_a_tile_apart_add_up_to_one() -> None:
    profile = tile_weights("cosine", (1, 64))[0].astype(int)
    np.testing.assert_allclose(profile[:32] + profile[32:], UNIT, atol=1)
