"""Fine-tuning in the window: QuPath's annotations, a painting, a training, the new checkpoint."""

import json

import numpy as np
import pytest

import wsiseg
from pictures import draw, write_slide
from virtual_screen import make_patient
from window_user import click, pane
from wsiseg.annotations import polygonise
from wsiseg.classes import LabelClass

pytest.importorskip("napari", reason="the viewer is an extra: pip install 'wsiseg[viewer]'")
pytest.importorskip("lightning", reason="training is an extra: pip install 'wsiseg[train]'")

# Each window registers actions; napari's own app takes them once in a process.
pytestmark = pytest.mark.usefixtures("screen", "mock_app_model")

SMALL = "--set alpha2=1 --set alpha3=1 --workers 0 --batch 2 --tile 64 --lr 0.02"
COLOURS = {"ground": (200, 200, 200), "round": (200, 30, 30)}
CLASSES = {k: LabelClass(name, colour) for k, (name, colour) in enumerate(COLOURS.items())}


def write_as_qupath_does(path, labels):
    """Write what *Export objects as GeoJSON* leaves: annotations, one of them locked and named."""
    features = [
        {
            "type": "Feature",
            "id": f"5d3b0b0e-0000-4000-8000-{number:012d}",
            "geometry": json.loads(json.dumps(shape.__geo_interface__)),
            "properties": {
                "objectType": "annotation",
                "name": f"drawn {number}",
                "isLocked": not number,
                "classification": {
                    "name": tuple(COLOURS)[value],
                    "color": tuple(COLOURS.values())[value],
                },
            },
        }
        for number, (value, shape) in enumerate(polygonise(labels))
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


@pytest.fixture
def folder(tmp_path):
    """Two slides, of which the first was annotated in QuPath."""
    (tmp_path / "slides").mkdir()
    (tmp_path / "drawn").mkdir()
    truth = {}
    for name, seed in (("biopsy", 5), ("resection", 6)):
        pixels, labels = draw(300, 400, seed)
        write_slide(tmp_path / "slides" / f"{name}.tiff", pixels)
        truth[name] = (labels == 1).astype(np.uint8)
    write_as_qupath_does(tmp_path / "drawn" / "biopsy.geojson", truth["biopsy"])
    return tmp_path, truth


@pytest.mark.parametrize("kind", ["OME-Zarr", pytest.param("GeoJSON", marks=pytest.mark.long)])
def test_from_annotations_to_a_network_that_segments(folder, screens, settle, qtbot, kind):
    from wsiseg.viewer import window

    make_patient(qtbot)
    folder, truth = folder
    viewer = window.open_window(folder / "slides" / "resection.tiff", [])
    viewer.window.resize(1280, 720)
    settle()
    viewer.reset_view()

    painting = annotate_resection(viewer, folder, truth["resection"], kind, settle, qtbot)
    screens.window("painted", viewer)
    annotate = pane(viewer, "Annotate")
    click(annotate.buttons["Save"])
    qtbot.waitUntil(lambda: "Saved as" in annotate.status.text())
    checkpoint = train(viewer, folder, qtbot)
    settle()
    screens.window("trained", viewer)

    # The new checkpoint is loaded, and segments the view as the command line does.
    segment = pane(viewer, "Segment")
    assert segment.checkpoint.path == folder / "drawn-training" / "best.safetensors"
    qtbot.waitUntil(lambda: not segment.is_running)
    assert segment.resolution.itemText(0) == "as trained: 0.5 µm/px"
    viewer.layers.remove(painting)
    click(segment.starting)
    qtbot.waitUntil(lambda: "resection field of view" in viewer.layers)
    qtbot.waitUntil(lambda: not segment.is_running)
    found = viewer.layers["resection field of view"]
    mask = wsiseg.segment(
        folder / "slides" / "resection.tiff",
        checkpoint,
        folder / "out",
        tissue="none",
        tile=1024,
        runtime="auto",
    )
    np.testing.assert_array_equal(found.data, mask.labels[:])
    settle()
    screens.window("segmented", viewer)
    viewer.close()
    settle()


def annotate_resection(viewer, folder, labels, kind, settle, qtbot):
    """Paint the second slide, as QuPath annotated the first."""
    annotate = pane(viewer, "Annotate")
    annotate.classes.show_classes(CLASSES)
    annotate.mpp.setValue(0.5)
    click(annotate.buttons["New painting"])
    painting = viewer.layers.selection.active
    assert (painting.data == 255).all()
    # napari shows a new layer in the background, and cannot be painted on before.
    settle()
    qtbot.waitUntil(lambda: painting.loaded)
    settle()
    for value in (0, 1):
        painting.data_setitem(np.nonzero(labels == value), value)
    annotate.folder.choose(folder / "drawn")
    annotate.kind.setCurrentText(kind)
    settle()
    return painting


def train(viewer, folder, qtbot):
    """Train on both, and return the checkpoint."""
    tuning = pane(viewer, "Fine-tune")
    # Saving has told where slides and annotations lie.
    assert tuning.slides.path == folder / "slides"
    assert tuning.annotations.path == folder / "drawn"
    tuning.begin_with(None)
    tuning.mpp.setValue(0.5)
    tuning.epochs.setValue(2)
    tuning.tiles.setValue(8)
    tuning.extra_options.setText(SMALL)
    with qtbot.waitSignal(tuning.trained) as heard:
        click(tuning.start_button)
    run = folder / "drawn-training"
    assert heard.args == [run / "best.safetensors"]
    assert "best validation mean IoU" in tuning.status.text()
    assert len(tuning.curves.points["val_miou"]) == 2
    listed = [(run / f"{part}.txt").read_text().split() for part in ("training", "validation")]
    assert sorted(map(len, listed)) == [1, 1]
    # Its warnings stay with the run, and are shown when its folder is chosen again.
    warned = tuning.warnings.text()
    assert "biopsy: 1 of 2 annotations lie outside the tissue" in warned
    assert "# warning: biopsy: 1 of 2 annotations" in (run / "config.yaml").read_text()
    tuning.warnings.show_lines([])
    tuning.run.choose(run)
    assert tuning.warnings.text() == warned
    checkpoint = wsiseg.load_checkpoint(heard.args[0])
    assert [entry.name for entry in checkpoint.classes] == list(COLOURS)
    assert [entry.colour for entry in checkpoint.classes] == list(COLOURS.values())
    return checkpoint
