"""Pictures are turned and turned back."""

import numpy as np
import pytest

from wsiseg.models.orientations import ORIENTATIONS, orientations_of
from wsiseg.models.registry import list_architectures

PICTURE = np.arange(2 * 3 * 5).reshape(2, 3, 5)


def test_the_eight_are_the_quarter_turns_of_the_picture_and_of_its_mirror_image() -> None:
    expected = {
        np.rot90(each, times, (-2, -1)).tobytes() + bytes(np.rot90(each, times, (-2, -1)).shape)
        for each in (PICTURE, PICTURE[..., ::-1])
        for times in range(4)
    }
    found = {o.turn(PICTURE).tobytes() + bytes(o.turn(PICTURE).shape) for o in ORIENTATIONS}
    assert len(found) == 8
    assert found == expected
    np.testing.assert_array_equal(ORIENTATIONS[0].turn(PICTURE), PICTURE)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_turning_back_undoes_turning(orientation) -> None:
    np.testing.assert_array_equal(orientation.turn_back(orientation.turn(PICTURE)), PICTURE)
    tiles = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), np.uint8)
    turned = orientation.turn_tiles(tiles)
    assert turned.flags.c_contiguous
    for channel in range(3):
        np.testing.assert_array_equal(turned[..., channel], orientation.turn(tiles[..., channel]))


def test_a_network_that_may_not_be_turned_sees_four() -> None:
    class Upright:
        turnable = False

    kept = orientations_of(Upright())  # type: ignore[arg-type]
    assert len(kept) == 4
    assert {each.turn(PICTURE).shape for each in kept} == {PICTURE.shape}


def test_every_network_says_whether_it_may_be_turned() -> None:
    for architecture in list_architectures():
        assert isinstance(architecture.network.turnable, bool)
