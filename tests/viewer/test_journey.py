"""What a pathologist does at the screen: annotate, save, fine-tune, segment."""

import numpy as np
import pytest
import tifffile

import wsiseg
from pictures import draw
from wsiseg.classes import LabelClass

SMALL = "--set alpha2=1 --set alpha3=1 --workers 0 --batch 2 --tile 64"
CLASSES = {0: LabelClass("ground", (200, 200, 200)), 1: LabelClass("round", (200, 30, 30))}


@pytest.fixture
def slide(tmp_path):
    pixels, labels = draw(300, 400, 5)
    (tmp_path / "slides").mkdir()
    path = tmp_path / "slides" / "biopsy.tiff"
    tifffile.imwrite(
        path,
        pixels,
        tile=(64, 64),
        photometric="rgb",
        resolution=(2e4, 2e4),
        resolutionunit="CENTIMETER",
    )
    return path, (labels == 1).astype(np.uint8)


def open_widget(viewer, name):
    return viewer.window.add_plugin_dock_widget("wsiseg", name)[1]


@pytest.mark.parametrize("kind", ["OME-Zarr", pytest.param("GeoJSON", marks=pytest.mark.long)])
def test_from_a_painting_to_a_network_that_segments(
    make_napari_viewer, qtbot, settle, tmp_path, slide, kind
):
    path, truth = slide
    viewer = make_napari_viewer(show=True)
    viewer.open(str(path), plugin="wsiseg")
    settle()
    segment, tuning = open_widget(viewer, "Segment"), open_widget(viewer, "Fine-tune")
    annotate = open_widget(viewer, "Annotate")
    settle()
    viewer.reset_view()
    settle()

    annotate.classes.show_classes(CLASSES)
    annotate.mpp.setValue(0.5)
    annotate.begin()
    painting = viewer.layers.selection.active
    assert (painting.data == 255).all()
    for value in (0, 1):
        painting.data_setitem(np.nonzero(truth == value), value)
    annotate.folder.choose(tmp_path / "drawn")
    annotate.kind.setCurrentText(kind)
    annotate.save()
    qtbot.waitUntil(lambda: "Saved" in annotate.status.text())

    # Saving has told where slides and annotations lie.
    tuning.begin_with(None)
    tuning.mpp.setValue(0.5)
    tuning.epochs.setValue(1)
    tuning.tiles.setValue(4)
    tuning.extra_options.setText(SMALL)
    with qtbot.waitSignal(tuning.trained) as heard:
        tuning.start()
    # Of the only slide a part is kept back, which is said where it is seen.
    assert "Warning: there is one slide only: for validation " in tuning.warnings.text()
    assert "of the annotated area; scores on other slides" in tuning.warnings.text()
    assert tuning.warnings.isVisibleTo(tuning)
    assert "best validation mean IoU" in tuning.status.text()
    checkpoint = wsiseg.load_checkpoint(heard.args[0])
    assert [entry.name for entry in checkpoint.classes] == ["ground", "round"]
    assert segment.checkpoint.path == heard.args[0]

    qtbot.waitUntil(lambda: not segment.is_running)
    segment.start()
    qtbot.waitUntil(lambda: "biopsy field of view" in viewer.layers)
    found = viewer.layers["biopsy field of view"]
    assert found.data.shape == truth.shape
    assert set(np.unique(found.data)) <= {0, 1}
    mask = wsiseg.segment(
        path, checkpoint, tmp_path / "out", tissue="none", tile=1024, runtime="auto"
    )
    np.testing.assert_array_equal(found.data, mask.labels[:])
