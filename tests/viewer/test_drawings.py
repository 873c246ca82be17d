"""What four programs draw, as outlines in the window and as labels."""

import numpy as np
import pytest
import shapely

from drawn import RING, SQUARE, TRIANGLE, collection, imagescope, in_qupath, layer, region, write
from drawn import slide as slide_of
from wsiseg.classes import LabelClass
from wsiseg.errors import AnnotationError, ArgumentError
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer.drawings import drawing_layer, paint_drawing, read_drawing
from wsiseg.viewer.layers.frame import Frame
from wsiseg.viewer.layers.layer_data import KEY, SlideView
from wsiseg.viewer.painting import region_at

STROMA = LabelClass("stroma", (0, 0, 200))


@pytest.fixture
def view():
    slide = slide_of()
    return SlideView(slide, Frame.of(slide))


@pytest.fixture(params=["QuPath", "ImageScope"])
def drawing(request, tmp_path, view):
    """Return a ring of a class, and a square of another one that is drawn over it."""
    if request.param == "QuPath":
        content = collection(in_qupath(RING, "tumour"), in_qupath(SQUARE, "stroma"))
    else:
        hole = shapely.Polygon(RING.interiors[0])
        outer = shapely.Polygon(RING.exterior)
        content = imagescope(
            layer([region(outer), region(hole, negative=True)], "tumour"),
            layer([region(SQUARE)], "stroma"),
        )
    return read_drawing(write(tmp_path, content), view)


def test_outlines_and_holes_are_shapes_with_names(drawing):
    rings, settings, kind = drawing_layer(drawing)
    assert (kind, settings["shape_type"]) == ("shapes", "polygon")
    assert settings["features"] == {
        "class": ["tumour", "tumour", "stroma"],
        "edge of": ["shape", "hole", "shape"],
    }
    assert set(settings["units"]) == {"um"}
    # Corners count from the corner of a pixel of 0.5 µm, the world from its centre.
    for ring, expected in zip(
        rings, (RING.exterior, RING.interiors[0], SQUARE.exterior), strict=True
    ):
        found = shapely.Polygon(np.asarray(ring)[:, ::-1] / 0.5 + 0.5)
        assert found.equals(shapely.Polygon(expected))
    given = drawing.file.annotations[0].colour
    np.testing.assert_allclose(settings["edge_color"] * 255, [(*given, 255)] * 3)
    assert settings["metadata"][KEY] is drawing


def test_shapes_are_painted_with_their_holes_and_new_classes(drawing, view):
    part = region_at(view, view.slide.levels[0].box, None, {0: STROMA})
    wider, labels = paint_drawing(drawing, part)
    assert {value: entry.name for value, entry in wider.classes.items()} == {
        0: "stroma",
        1: "tumour",
    }
    assert wider.classes[0] == STROMA
    assert labels[7, 7] == 1
    assert labels[15, 20] == NO_LABEL
    assert labels[30, 20] == 0
    assert (labels == 0).sum() == SQUARE.area
    assert (labels == 1).sum() == RING.difference(SQUARE).area


def test_a_shape_without_a_class_is_unclassified(tmp_path, view):
    drawing = read_drawing(write(tmp_path, collection(in_qupath(TRIANGLE))), view)
    wider, labels = paint_drawing(
        drawing, region_at(view, view.slide.levels[0].box, None, {0: STROMA})
    )
    assert wider.classes[1].name == "unclassified"
    assert set(np.unique(labels)) == {1, NO_LABEL}


def test_a_class_called_as_pixels_without_one_is_refused(tmp_path, view):
    path = write(tmp_path, collection(in_qupath(TRIANGLE, "not analysed")))
    where = region_at(view, view.slide.levels[0].box, None, {0: STROMA})
    with pytest.raises(AnnotationError, match="'not analysed' is the name for pixels"):
        paint_drawing(read_drawing(path, view), where)


def test_more_classes_than_labels_are_told(drawing, view):
    many = {value: LabelClass(f"class {value}", (0, 0, value)) for value in range(255)}
    with pytest.raises(ArgumentError, match="no more than 255"):
        paint_drawing(drawing, region_at(view, view.slide.levels[0].box, None, many))


def test_shapes_of_another_slide_are_refused(tmp_path, view):
    far = shapely.box(500, 500, 600, 600)
    with pytest.raises(AnnotationError, match="outside the slide"):
        read_drawing(write(tmp_path, collection(in_qupath(far, "tumour"))), view)
