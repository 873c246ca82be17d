from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wsiseg.annotations.labels import IGNORED
from wsiseg.annotations.raster import RasterLabels, look_up, make_lookup_table, one_channel
from wsiseg.errors import AnnotationError
from wsiseg.tiling import Box
from wsiseg.tiling.resolution import WorkingPlane

WHERE = Path("labels.png")
EVERY = make_lookup_table({value: value for value in range(256)})


def plane(height: int, width: int, scale: float) -> WorkingPlane:
    return WorkingPlane(height, width, 0, scale, scale, None)


def grid(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 250, (height, width), np.uint8)


def near(centre: Fraction, corner: Fraction, pixel: Fraction, length: int) -> set[int]:
    """Return the grid's pixels whose centres are nearest, none if the place lies off the grid."""
    if not corner <= centre <= corner + length * pixel:
        return set()
    distances = [abs(corner + (i + Fraction(1, 2)) * pixel - centre) for i in range(length)]
    return {i for i, distance in enumerate(distances) if distance == min(distances)}


scales = st.sampled_from([Fraction(1), Fraction(2), Fraction(37, 100), Fraction(16), Fraction(3)])
pixels = st.sampled_from([Fraction(1), Fraction(4), Fraction(1, 2), Fraction(129, 100)])
corners = st.tuples(*[st.fractions(-20, 20, max_denominator=20)] * 2)
boxes = st.builds(
    Box, st.integers(-9, 40), st.integers(-9, 40), st.integers(0, 30), st.integers(0, 30)
)


@given(scales, pixels, corners, boxes, st.tuples(st.integers(1, 40), st.integers(1, 40)))
@example(Fraction(2), Fraction(1), (Fraction(0), Fraction(0)), Box(0, 0, 20, 20), (39, 39))
@example(Fraction(1), Fraction(1), (Fraction(0), Fraction(0)), Box(-3, -3, 46, 46), (40, 40))
def test_a_working_pixel_has_the_label_whose_centre_is_nearest_to_its_own(
    scale: Fraction,
    pixel: Fraction,
    corner: tuple[Fraction, Fraction],
    box: Box,
    shape: tuple[int, int],
) -> None:
    values = grid(*shape)
    whole = plane(25, 31, float(scale))
    labels = RasterLabels(
        values,
        EVERY,
        whole,
        WHERE,
        pixel=(float(pixel), float(pixel)),
        corner=(float(corner[0]), float(corner[1])),
    ).read(box)
    assert labels.shape == box.shape
    assert labels.dtype == np.uint8
    half = Fraction(1, 2)
    rows, columns = (
        [
            near((start + i + half) * scale, corner[axis], pixel, shape[axis])
            if 0 <= start + i < edge
            else set()
            for i in range(length)
        ]
        for axis, (start, length, edge) in enumerate(
            [(box.y, box.height, whole.height), (box.x, box.width, whole.width)]
        )
    )
    for (y, x), label in np.ndenumerate(labels):
        expected = {values[r, c] for r in rows[y] for c in columns[x]} or {IGNORED}
        assert label in expected


@pytest.mark.parametrize("scale", [1.0, 2.0, 0.37])
def test_a_label_does_not_depend_on_the_box_that_asks(scale: float) -> None:
    values = grid(60, 70)
    whole = plane(round(60 / scale), round(70 / scale), scale)
    labels = RasterLabels(values, EVERY, whole, WHERE)
    everything = labels.read(whole.box)
    assert (everything != IGNORED).all()
    for box in (Box(3, 5, 17, 20), Box(0, 0, 1, 1), Box(20, 11, 9, 7)):
        np.testing.assert_array_equal(labels.read(box), everything[box.slices_in(whole.box)])


def test_the_same_grid_gives_the_same_pixels() -> None:
    values = grid(40, 50)
    labels = RasterLabels(values, EVERY, plane(40, 50, 1.0), WHERE)
    np.testing.assert_array_equal(labels.read(Box(0, 0, 40, 50)), values)
    over = labels.read(Box(-5, 45, 50, 10))
    np.testing.assert_array_equal(over[5:45, :5], values[:, 45:])
    over[5:45, :5] = IGNORED
    assert (over == IGNORED).all()


def test_rounding_decides_nothing_between_two_equally_near_pixels() -> None:
    """Twice as coarse, every centre lies on an edge; 0.1 has no exact binary fraction."""
    rows = np.arange(40_000, dtype=np.uint16)[:, None]
    table = make_lookup_table({value: value % 2 for value in range(40_000)})
    labels = RasterLabels(
        rows, table, plane(19_000, 1, 0.2), WHERE, pixel=(0.1, 0.1), corner=(0.3, -0.05)
    ).read(Box(2, 0, 18_000, 1))
    assert len(np.unique(labels)) == 1


class Watched:
    """An array that remembers what was read of it."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.reads: list[tuple[slice, slice]] = []

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        self.reads.append(key)
        rows, columns = (np.arange(cut.start, cut.stop) for cut in key)
        return ((rows[:, None] // 100 + columns[None] // 100) % 250).astype(np.uint8)


def test_nothing_but_the_box_is_read() -> None:
    watched = Watched((100_000, 80_000))
    labels = RasterLabels(watched, EVERY, plane(100_000, 80_000, 1.0), WHERE)
    labels.read(Box(50_000, 1000, 30, 40))
    assert watched.reads == [(slice(50_000, 50_030), slice(1000, 1040))]
    labels.read(Box(-50, -50, 40, 40))
    assert len(watched.reads) == 1


def test_a_coarse_plane_is_read_in_pieces() -> None:
    watched = Watched((9000, 9000))
    found = RasterLabels(watched, EVERY, plane(90, 90, 100.0), WHERE).read(Box(0, 0, 90, 90))
    np.testing.assert_array_equal(found, np.add.outer(np.arange(90), np.arange(90)) % 250)
    assert all(cut.stop - cut.start <= 4096 for key in watched.reads for cut in key)


def test_an_unknown_value_is_named_even_in_one_pixel() -> None:
    values = np.zeros((50, 50), np.uint8)
    values[31, 17] = 9
    labels = RasterLabels(values, make_lookup_table({0: 0, 255: 1}), plane(50, 50, 1.0), WHERE)
    assert not labels.read(Box(0, 0, 31, 50)).any()
    with pytest.raises(AnnotationError, match="value 9, which means no class") as caught:
        labels.read(Box(0, 0, 50, 50))
    assert caught.value.where == WHERE
    assert caught.value.hint == "Known values: 0, 255."


def test_every_label_up_to_254_can_be_meant() -> None:
    table = make_lookup_table({value + 1000: value for value in range(256)})
    values = np.arange(1000, 1256, dtype=np.uint16)[None]
    np.testing.assert_array_equal(look_up(values, table, WHERE), [range(256)])


@pytest.mark.parametrize("meanings", [{-1: 0}, {65536: 0}, {0: 256}, {0: -1}])
def test_a_table_takes_16_bits_in_and_8_out(meanings: dict[int, int]) -> None:
    with pytest.raises(ValueError, match="cannot mean"):
        make_lookup_table(meanings)


def test_a_table_without_meanings_says_what_to_do() -> None:
    with pytest.raises(AnnotationError, match="No value has a meaning"):
        look_up(np.zeros((1, 1), np.uint8), make_lookup_table({}), WHERE)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_equal_channels_are_one_and_alpha_does_not_count(channels: int) -> None:
    values = grid(5, 6)
    several = np.dstack([values] * channels)
    if channels in (2, 4):
        several[..., -1] = 255
    np.testing.assert_array_equal(one_channel(several, WHERE), values)


@pytest.mark.parametrize("channel", [1, 2])
def test_colours_are_refused(channel: int) -> None:
    values = np.dstack([grid(5, 6)] * 3)
    values[4, 5, channel] += 1
    with pytest.raises(AnnotationError, match="colours, not classes"):
        one_channel(values, WHERE)


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "int64", "uint64", ">u2", "<u4"])
def test_whole_numbers_of_any_width_are_taken(dtype: str) -> None:
    values = np.array([[0, 1]], dtype)
    np.testing.assert_array_equal(one_channel(values, WHERE), [[0, 1]])
    assert one_channel(values, WHERE).dtype in (np.uint8, np.uint16)


@pytest.mark.parametrize(("value", "dtype"), [(-1, "int8"), (-1, "int64"), (65536, "uint32")])
def test_numbers_that_no_table_holds_are_named(value: int, dtype: str) -> None:
    with pytest.raises(AnnotationError, match=f"value {value}, which means no class"):
        one_channel(np.array([[0, value]], dtype), WHERE)


@pytest.mark.parametrize("values", [np.zeros((4, 4)), np.zeros((2, 2, 9), np.uint8)])
def test_fractions_and_stacks_are_refused(values: np.ndarray) -> None:
    with pytest.raises(AnnotationError, match="not understood"):
        one_channel(values, WHERE)
