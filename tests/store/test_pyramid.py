import itertools
from collections import Counter

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsiseg.store.arrays import create_array
from wsiseg.store.pyramid import build_pyramid, halve_by_mean, halve_by_mode, level_shapes

even = st.integers(1, 12).map(lambda n: 2 * n)


@given(
    st.tuples(even, even).flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 3)))
)
def test_the_mode_is_the_most_frequent_label_and_the_first_at_a_draw(labels):
    halved = halve_by_mode(labels)
    for y, x in np.ndindex(halved.shape):
        block = labels[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].ravel().tolist()
        assert halved[y, x] == Counter(block).most_common(1)[0][0]


@given(st.tuples(even, even).flatmap(lambda shape: arrays(np.uint8, (3, *shape))))
def test_the_mean_is_rounded(values):
    blocks = values.reshape(3, values.shape[1] // 2, 2, values.shape[2] // 2, 2).astype(float)
    np.testing.assert_array_equal(halve_by_mean(values), np.floor(blocks.mean(axis=(2, 4)) + 0.5))


@given(st.integers(1, 300_000), st.integers(1, 300_000))
def test_levels_halve_rounded_up_until_they_fit_a_screen(height, width):
    shapes = level_shapes(height, width)
    assert shapes[0] == (height, width)
    for finer, coarser in itertools.pairwise(shapes):
        assert coarser == (-(-finer[0] // 2), -(-finer[1] // 2))
        assert max(finer) > 1024
    assert max(shapes[-1]) <= 1024


def test_a_pyramid_band_by_band_is_that_of_the_whole(tmp_path):
    labels = np.random.default_rng(0).integers(0, 4, (2501, 4203), np.uint8)
    array = create_array(tmp_path / "0", labels.shape, fill_value=255)
    array[:] = labels
    assert build_pyramid(tmp_path, halve_by_mode) == 4
    expected = labels
    for level in range(1, 4):
        odd = [(0, side % 2) for side in expected.shape]
        expected = halve_by_mode(np.pad(expected, odd, mode="edge"))
        found = zarr.open_array(tmp_path / str(level), mode="r")
        np.testing.assert_array_equal(found[:], expected)


def test_what_is_never_written_reads_as_not_analysed(tmp_path):
    create_array(tmp_path / "0", (3000, 40), fill_value=255)
    build_pyramid(tmp_path, halve_by_mode)
    coarsest = zarr.open_array(tmp_path / "2", mode="r")
    assert (np.asarray(coarsest[:]) == 255).all()
    assert not list((tmp_path / "2").glob("c/**/0"))


class Stop(BaseException):
    """Nobody wants the pyramid any more."""


def test_a_pyramid_can_be_stopped_after_any_shard(tmp_path):
    create_array(tmp_path / "0", (10_000, 40), fill_value=0)[:] = 1
    heard = []

    def stop_at_the_third():
        heard.append(None)
        if len(heard) == 3:
            raise Stop

    with pytest.raises(Stop):
        build_pyramid(tmp_path, halve_by_mode, stop_at_the_third)
    assert len(heard) == 3
    assert not (tmp_path / "2").exists()
