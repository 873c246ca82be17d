import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wsiseg.tiling import Box

numbers = st.integers(-20, 20)
sizes = st.integers(0, 15)
boxes = st.builds(Box, numbers, numbers, sizes, sizes)


def points(box: Box) -> set[tuple[int, int]]:
    return {(y, x) for y in range(box.y, box.bottom) for x in range(box.x, box.right)}


@given(boxes)
def test_area_and_shape_count_the_pixels(box: Box) -> None:
    assert box.area == len(points(box))
    assert box.shape == (box.height, box.width)


@given(boxes, boxes)
def test_intersection_is_what_both_cover(a: Box, b: Box) -> None:
    both = a.intersection(b)
    assert points(both) == points(a) & points(b)
    assert both.area == b.intersection(a).area


@given(boxes)
def test_a_box_meets_itself_whole(box: Box) -> None:
    assert box.intersection(box) == box


@given(boxes, boxes)
def test_within_cuts_the_pixels_of_the_box(outer: Box, other: Box) -> None:
    inner = outer.intersection(other)
    if not inner.area:
        return
    y, x = np.mgrid[outer.y : outer.bottom, outer.x : outer.right]
    cut = inner.slices_in(outer)
    assert set(zip(y[cut].flat, x[cut].flat, strict=True)) == points(inner)


@given(boxes, st.integers(0, 5))
def test_growing_adds_as_much_on_every_side(box: Box, reach: int) -> None:
    grown = box.grown(reach)
    assert (grown.y, grown.x) == (box.y - reach, box.x - reach)
    assert (grown.bottom, grown.right) == (box.bottom + reach, box.right + reach)


edges = st.floats(-20, 20).flatmap(lambda low: st.tuples(st.just(low), st.floats(low, 25)))


@given(edges, edges)
def test_around_covers_a_rectangle_and_no_row_or_column_more(rows, columns) -> None:
    (top, bottom), (left, right) = rows, columns
    box = Box.around(top, left, bottom, right)
    assert box.y <= top < box.y + 1
    assert box.x <= left < box.x + 1
    assert box.bottom - 1 < bottom <= box.bottom
    assert box.right - 1 < right <= box.right
