"""Which slide, which part of it, and what is drawn on it."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from array_slide import ArraySlide, noise
from wsiseg.errors import ArgumentError
from wsiseg.store.label_images import LabelImage
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import plane_at_level, plane_at_mpp
from wsiseg.viewer import scene
from wsiseg.viewer.layers.frame import Frame, working_box
from wsiseg.viewer.layers.layer_data import KEY, MaskView, SlideView, slide_layer
from wsiseg.viewer.layers.region import RegionView


@pytest.fixture
def viewer(make_napari_viewer, settle):
    viewer = make_napari_viewer(show=True)
    for name, mpp in (("fine", 0.25), ("coarse", 0.5)):
        slide = ArraySlide(noise(1500, 2000), mpp=mpp)
        slide.path = Path(f"{name}.tiff")
        data, settings, _ = slide_layer(SlideView(slide, Frame.of(slide)), pytest.fail)
        viewer.add_image(data, **settings | {"name": name})
    settle()
    return viewer


def test_the_selected_slide_counts_or_else_the_topmost(viewer):
    assert scene.current_slide(viewer).frame.mpp == 0.5
    viewer.layers.selection.active = viewer.layers["fine"]
    assert scene.current_slide(viewer).frame.mpp == 0.25
    viewer.add_shapes(name="drawn")
    assert scene.current_slide(viewer).frame.mpp == 0.5
    assert list(scene.slides(viewer)) == ["fine", "coarse"]
    with pytest.raises(ArgumentError, match="no mask in the window"):
        scene.current_mask(viewer)


def part_of(slide):
    plane = plane_at_level(slide.slide, 0)
    return RegionView(slide, plane, Box(0, 0, 10, 10), {})


def mask_of(slide):
    notes = {"slide": slide.slide.path.name}
    return MaskView(LabelImage(Path("mask"), (), {}, None, 1.0, (0.0, 0.0), notes), slide.frame)


@pytest.mark.parametrize("label", [part_of, mask_of])
def test_the_slide_under_the_selected_labels_counts(viewer, label):
    for name, mpp in (("fine", 0.25), ("coarse", 0.5)):
        view = label(scene.slides(viewer)[name])
        viewer.add_labels(np.zeros((10, 10), np.uint8), metadata={KEY: view})
        assert scene.current_slide(viewer).frame.mpp == mpp


def test_a_mask_of_a_slide_elsewhere_lies_on_the_topmost(viewer):
    view = mask_of(part_of(scene.slides(viewer)["fine"]).slide)
    view.image.notes["slide"] = "elsewhere.tiff"
    viewer.add_labels(np.zeros((10, 10), np.uint8), metadata={KEY: view})
    assert scene.current_slide(viewer).frame.mpp == 0.5


def test_the_field_of_view_is_what_the_screen_shows(viewer, settle):
    slide = scene.current_slide(viewer)
    viewer.scene.camera.zoom = 4.0
    viewer.scene.camera.center = (0, 400.0, 500.0)
    settle()
    height, width = viewer.canvas.size
    seen = scene.field_of_view(viewer, slide)
    # Four pixels of the screen to a µm are two to a pixel of the slide.
    assert abs(seen.height - height / 2) <= 2
    assert abs(seen.width - width / 2) <= 2
    assert abs(seen.y + seen.height / 2 - 800.5) <= 2
    assert abs(seen.x + seen.width / 2 - 1000.5) <= 2


def test_the_field_of_view_ends_at_the_slide(viewer, settle):
    slide = scene.current_slide(viewer)
    viewer.scene.camera.zoom = 0.1
    settle()
    assert scene.field_of_view(viewer, slide) == slide.slide.levels[0].box
    viewer.scene.camera.zoom = 4.0
    viewer.scene.camera.center = (0, -9000.0, 0.0)
    settle()
    with pytest.raises(ArgumentError, match="not in view"):
        scene.field_of_view(viewer, slide)


def test_shapes_become_polygons_on_the_slide(viewer):
    frame = scene.current_slide(viewer).frame
    corners = frame.to_world(np.array([[100, 200], [100, 300], [160, 300], [160, 200]]))
    layer = viewer.add_shapes([corners], shape_type="polygon", units=("um", "um"))
    region = scene.drawn_region(viewer, frame)
    assert region.symmetric_difference(shapely.box(200, 100, 300, 160)).area < 1e-6
    viewer.layers.remove(layer)
    layer = viewer.add_shapes([corners], shape_type="ellipse", units=("um", "um"))
    ellipse = scene.drawn_region(viewer, frame)
    assert ellipse.area == pytest.approx(np.pi * 50 * 30, rel=0.01)
    viewer.layers.remove(layer)
    viewer.add_shapes([corners[:2]], shape_type="line", units=("um", "um"))
    with pytest.raises(ArgumentError, match="no region is drawn"):
        scene.drawn_region(viewer, frame)


def test_shapes_of_a_layer_that_is_moved_and_turned_lie_where_they_are_seen(viewer):
    frame = scene.current_slide(viewer).frame
    corners = np.array([[0.0, 0.0], [0.0, 20.0], [10.0, 20.0], [10.0, 0.0]])
    layer = viewer.add_shapes(
        [corners], shape_type="polygon", scale=(2, 3), translate=(50, 70), rotate=30
    )
    seen = frame.to_slide(np.array([layer.data_to_world(corner) for corner in corners]))
    region = scene.drawn_region(viewer, frame)
    assert region.symmetric_difference(shapely.Polygon(seen[:, ::-1])).area < 1e-6


def test_what_a_file_or_the_tissue_outlines_is_not_drawn_unless_it_is_selected(viewer):
    frame = scene.current_slide(viewer).frame
    mine, tissue = (frame.to_world(np.array([[0, 0], [edge, edge]])) for edge in (50, 900))
    layer = viewer.add_shapes([tissue], shape_type="rectangle", metadata={KEY: "tissue"})
    assert scene.drawn_region(viewer, frame).area == pytest.approx(900**2)
    viewer.layers.selection.active = viewer.layers["coarse"]
    with pytest.raises(ArgumentError, match="no region is drawn"):
        scene.drawn_region(viewer, frame)
    viewer.add_shapes([mine], shape_type="rectangle")
    viewer.layers.move(viewer.layers.index(layer), len(viewer.layers))
    viewer.layers.selection.active = viewer.layers["coarse"]
    assert scene.drawn_region(viewer, frame).area == pytest.approx(50**2)


@given(
    st.integers(0, 900),
    st.integers(0, 1400),
    st.integers(1, 500),
    st.integers(1, 500),
    st.floats(0.25, 3),
)
def test_the_working_box_holds_the_slide_box(y, x, height, width, mpp):
    slide = ArraySlide(noise(1500, 2000), mpp=0.25)
    plane = plane_at_mpp(slide, mpp)
    wanted = Box(y, x, height, width)
    box = working_box(wanted, plane)
    assert box.intersection(plane.box) == box
    assert box.y * plane.slide_scale <= wanted.y + 1e-6
    assert box.x * plane.slide_scale <= wanted.x + 1e-6
    assert (
        box.bottom * plane.slide_scale
        >= min(wanted.bottom, plane.height * plane.slide_scale) - 1e-6
    )
    assert (box.height - 2) * plane.slide_scale <= height


@given(
    st.floats(0.05, 20), st.lists(st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)), min_size=1)
)
def test_world_and_slide_are_each_other_s_inverse(mpp, points):
    frame = Frame(mpp, "um")
    there = frame.to_slide(frame.to_world(np.array(points)))
    np.testing.assert_allclose(there, points, atol=1e-6)
