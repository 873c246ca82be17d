"""Of a prediction that is corrected, what was painted or checked is saved, and nothing else."""

import numpy as np
import pytest

from painting import AREA, TWO, furnish, read_on_slide, wait_for_work
from segment_window import look_at
from wsiseg.tiling import Box
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer.painting import painting_layer, region_at
from wsiseg.viewer.scene import current_slide

BRUSH, RADIUS, MARGIN = 21, 10.5, 7


@pytest.fixture
def predicted(make_napari_viewer, slide_file, tmp_path):
    """A window with a prediction of two classes, left and right, that can be painted on."""
    viewer = make_napari_viewer()
    viewer.open(str(slide_file), plugin="wsiseg")
    widget = furnish(viewer, 0.5)
    values = np.zeros(AREA.shape, np.uint8)
    values[:, AREA.width // 2 :] = 1
    data, settings, _ = painting_layer(region_at(current_slide(viewer), AREA, None, TWO), values)
    layer = viewer.add_labels(data, **settings)
    layer.brush_size = BRUSH
    widget.margin.setValue(MARGIN)
    widget.folder.choose(tmp_path / "drawn")
    return viewer, widget, layer


@pytest.mark.parametrize("kind", ["OME-Zarr", pytest.param("GeoJSON", marks=pytest.mark.long)])
def test_a_stroke_is_kept_with_its_margin_and_checked_fields_whole(
    qtbot, predicted, slide_file, tmp_path, kind, errors
):
    viewer, widget, layer = predicted
    widget.save()
    wait_for_work(qtbot, widget)
    qtbot.waitUntil(lambda: bool(errors()))
    assert "nothing is painted" in errors()[0]
    assert "mark what is right as checked" in errors()[0]

    layer.paint((200, 100), 1)
    widget.check_drawn()
    fields = viewer.layers.selection.active
    assert (fields.name, fields.mode) == ("biopsy checked", "add_rectangle")
    corners = np.array([[AREA.y + 40, AREA.x + 300], [AREA.y + 90, AREA.x + 420]], float)
    fields.add_rectangles([current_slide(viewer).frame.to_world(corners)])
    np.testing.assert_allclose(fields.edge_color[0][:3], (0, 160 / 255, 64 / 255), atol=0.01)
    # What is checked is not what was drawn to be painted on.
    viewer.layers.selection.active = layer
    assert widget._slide_box(current_slide(viewer)) == AREA

    widget.kind.setCurrentText(kind)
    widget.save()
    wait_for_work(qtbot, widget)
    path = tmp_path / "drawn" / f"biopsy{'.ome.zarr' if kind == 'OME-Zarr' else '.geojson'}"
    labels = read_on_slide(path, slide_file, None)
    inside = AREA.slices_in(Box(0, 0, *labels.shape))
    kept = labels[inside].copy()
    labels[inside] = NO_LABEL
    assert (labels == NO_LABEL).all()
    distance = np.hypot(np.arange(AREA.height)[:, None] - 200, np.arange(AREA.width) - 100)
    checked = np.zeros(AREA.shape, bool)
    checked[40:90, 300:420] = True
    reached = kept != NO_LABEL
    assert reached[(distance <= RADIUS + MARGIN - 1) | checked].all()
    assert not reached[(distance > RADIUS + MARGIN + 1) & ~checked].any()
    np.testing.assert_array_equal(kept[reached], np.asarray(layer.data)[reached])
    share = f"{reached.mean():.1%} of the region was painted or checked"
    assert share in widget.status.text()


def test_a_view_is_checked_with_a_click(qtbot, predicted, slide_file, tmp_path, settle):
    viewer, widget, layer = predicted
    look_at(viewer, (AREA.y + 20) * 0.5, (AREA.x + 30) * 0.5, zoom=10)
    settle()
    widget.buttons["Mark view as checked"].click()
    assert viewer.layers.selection.active is layer
    widget.save()
    wait_for_work(qtbot, widget)
    labels = read_on_slide(tmp_path / "drawn" / "biopsy.ome.zarr", slide_file, None)
    kept = labels[AREA.slices_in(Box(0, 0, *labels.shape))] != NO_LABEL
    seen = np.array(viewer.canvas.size) / 10 / 0.5
    assert kept.any(1).sum() == pytest.approx(20 + seen[0] / 2, abs=2)
    assert kept.any(0).sum() == pytest.approx(30 + seen[1] / 2, abs=2)
