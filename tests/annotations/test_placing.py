from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.affinity import translate
from shapely.geometry import box

from drawn import slide
from wsiseg.annotations import Annotation, AnnotationFile, Coordinates, Origin, place
from wsiseg.errors import AnnotationError
from wsiseg.tiling import Box

PATH = Path("drawn.geojson")
BOUNDS = Box(y=3000, x=5000, height=2000, width=1000)
SCANNED = slide(8000, 9000, bounds=BOUNDS)
WHOLE = slide(8000, 9000)

# In level-0 pixels both lie on what was scanned, one in a corner of it.
SHAPES = [box(5100, 3200, 5300, 3300), box(5990, 4900, 6000, 5000)]


def file(shapes: list[box], origin: Origin, y: int = 0, x: int = 0) -> AnnotationFile:
    """Return a file that counts from a point."""
    annotations = tuple(Annotation("a", translate(s, -x, -y), (1, 2, 3)) for s in shapes)
    return AnnotationFile(PATH, annotations, origin, ("a note",))


def shapes(placed: AnnotationFile) -> list[box]:
    assert placed.origin == "level 0"
    assert all((a.name, a.colour) == ("a", (1, 2, 3)) for a in placed.annotations)
    return [annotation.geometry.normalize() for annotation in placed.annotations]


@pytest.mark.parametrize("origin", ["level 0", "bounds"])
@pytest.mark.parametrize(
    ("y", "x", "where"), [(0, 0, "the corner of level 0"), (3000, 5000, "x 5")]
)
def test_where_the_shapes_fit_tells_what_they_count_from(
    origin: Origin, y: int, x: int, where: str
) -> None:
    placed = place(file(SHAPES, origin, y, x), SCANNED)
    assert shapes(placed) == [shape.normalize() for shape in SHAPES]
    assert placed.notes[0] == "a note"
    assert where in placed.notes[1]
    assert "`coordinates`" not in placed.notes[1]


@pytest.mark.parametrize(("origin", "moved"), [("level 0", (0, 0)), ("bounds", (50, 60))])
def test_where_both_fit_the_program_decides_and_the_note_says_so(
    origin: Origin, moved: tuple[int, int]
) -> None:
    y, x = moved
    near = slide(8000, 9000, bounds=Box(50, 60, 2000, 2000))
    placed = place(file([box(400, 400, 500, 500)], origin), near)
    assert shapes(placed) == [translate(box(400, 400, 500, 500), x, y).normalize()]
    assert placed.notes[1].endswith(", as its program does")


@pytest.mark.parametrize("origin", ["level 0", "bounds"])
@pytest.mark.parametrize(
    ("coordinates", "moved"), [("level0", (0, 0)), ("bounds", (50, 60)), ("auto", None)]
)
def test_the_user_has_the_last_word(
    origin: Origin, coordinates: Coordinates, moved: tuple[int, int] | None
) -> None:
    y, x = moved or ((50, 60) if origin == "bounds" else (0, 0))
    near = slide(8000, 9000, bounds=Box(50, 60, 2000, 2000))
    placed = place(file([box(400, 400, 500, 500)], origin), near, coordinates)
    assert shapes(placed) == [translate(box(400, 400, 500, 500), x, y).normalize()]
    assert placed.notes[1].endswith("as its program does") == (coordinates == "auto")


@pytest.mark.parametrize("origin", ["level 0", "bounds", "tiles of bounds"])
@pytest.mark.parametrize("coordinates", ["auto", "level0", "bounds"])
@pytest.mark.parametrize("bounds", [None, Box(0, 0, 8000, 9000), Box(0, 0, 500, 500)])
def test_without_a_choice_nothing_moves_and_nothing_is_told(
    origin: Origin, coordinates: Coordinates, bounds: Box | None
) -> None:
    placed = place(file(SHAPES, origin), slide(8000, 9000, bounds=bounds), coordinates)
    assert shapes(placed) == [shape.normalize() for shape in SHAPES]
    assert placed.notes == ("a note",)


@pytest.mark.parametrize("coordinates", ["auto", "bounds"])
def test_halo_counts_from_whole_tiles(coordinates: Coordinates) -> None:
    tile_y, tile_x = 2816, 4864
    placed = place(file(SHAPES, "tiles of bounds", tile_y, tile_x), SCANNED, coordinates)
    assert shapes(placed) == [shape.normalize() for shape in SHAPES]


def test_a_shape_may_reach_over_the_edge() -> None:
    around = box(4500, 2500, 6500, 5500)
    assert shapes(place(file([around], "level 0"), SCANNED)) == [around.normalize()]
    assert shapes(place(file([around], "bounds", 3000, 5000), SCANNED)) == [around.normalize()]
    over = box(-50, -50, 9050, 8050)
    assert shapes(place(file([over], "level 0"), WHOLE)) == [over.normalize()]


@pytest.mark.parametrize(
    ("outside", "inside", "message"),
    [
        ([box(9000, 0, 9100, 100)], [], "1 of 1 annotations lie outside the slide"),
        ([box(-9, 0, 0, 9)] * 3, SHAPES[:1] * 7, "3 of 10 annotations lie outside the slide"),
        ([box(0, 8000, 9, 8009)] * 4, [], "4 of 4 annotations lie outside the slide"),
    ],
)
@pytest.mark.parametrize("where", [WHOLE, SCANNED])
def test_nothing_may_lie_outside(
    outside: list[box], inside: list[box], message: str, where: slide
) -> None:
    with pytest.raises(AnnotationError) as caught:
        place(file([*inside, *outside], "level 0"), where, "level0")
    assert message in str(caught.value)
    assert caught.value.where == PATH
    assert "`coordinates`" in (caught.value.hint or "")


@given(st.integers(0, 1900), st.integers(0, 900), st.sampled_from(["level 0", "bounds"]))
def test_any_shape_on_what_was_scanned_finds_its_place(y: int, x: int, origin: Origin) -> None:
    shape = box(5000 + x, 3000 + y, 5000 + x + 100, 3000 + y + 100)
    corner = (3000, 5000) if origin == "bounds" else (0, 0)
    assert shapes(place(file([shape], origin, *corner), SCANNED)) == [shape.normalize()]
