"""Projects: which slides there are, what stands of each, and the file that keeps it."""

import json
import shutil

import numpy as np
import pytest
import shapely
from napari.utils.notifications import notification_manager

from tiny import segment_tiny
from wsiseg.annotations import Annotation, write_qupath
from wsiseg.classes import LabelClass
from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.store.cohort import cohort_table
from wsiseg.tiling.boxes import Box
from wsiseg.viewer import window
from wsiseg.viewer.painting import painting_layer, region_at
from wsiseg.viewer.project import Project, is_project, open_project
from wsiseg.viewer.scene import add_layers, current_slide
from wsiseg.viewer.widgets.slides import SlidesWidget

# Each window registers actions; napari's own app takes them once in a process.
pytestmark = pytest.mark.usefixtures("mock_app_model")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, slide_file):
    """Return a folder with three slides; the first has a mask, the second a drawing."""
    folder = tmp_path_factory.mktemp("cohort")
    for name in ("a", "b", "c"):
        shutil.copy(slide_file, folder / f"{name}.tiff")
    segment_tiny(folder / "a.tiff", folder / "masks", mpp=0.8)
    (folder / "drawn").mkdir()
    write_qupath(folder / "drawn" / "b.geojson", [Annotation("fat", shapely.box(0, 0, 90, 90))])
    return folder


def states(project):
    return list(map(str, project.states()))


def test_a_folder_is_a_project_and_tells_what_stands_of_each_slide(folder):
    assert is_project(folder)
    assert not is_project(folder / "a.tiff")
    assert not is_project(folder / "masks" / "a.ome.zarr")
    project = open_project(folder)
    assert [slide.name for slide in project.slides] == ["a", "b", "c"]
    assert states(project) == ["untouched"] * 3
    project = Project(project.slides, folder / "masks", folder / "drawn")
    assert states(project.review(1, reviewed=True)) == [
        "segmented",
        "annotated, reviewed",
        "untouched",
    ]
    assert project.states()[0].mask == folder / "masks" / "a.ome.zarr"


def test_a_project_is_one_file_that_moves_with_its_folder(folder, tmp_path):
    there = shutil.copytree(folder, tmp_path / "there")
    project = Project(open_project(there).slides, there / "masks", there / "drawn", current=2)
    project.review(0, reviewed=True).save(there / "work.wsiseg.json")
    (tmp_path / "moved").mkdir()
    moved = there.rename(tmp_path / "moved" / "here")
    again = open_project(moved / "work.wsiseg.json")
    assert (again.current, again.masks) == (2, moved / "masks")
    assert states(again) == ["segmented, reviewed", "annotated", "untouched"]
    (moved / "c.tiff").unlink()
    assert states(again)[2] == "missing"
    with pytest.raises(ArgumentError, match="end with"):
        project.save(tmp_path / "work.json")
    for text in ("", "{}", '{"wsiseg_project": 1}', json.dumps({"wsiseg_project": 2})):
        (tmp_path / "bad.wsiseg.json").write_text(text)
        with pytest.raises(DataSetError, match="the project cannot be read"):
            open_project(tmp_path / "bad.wsiseg.json")


def test_lists_and_tables_of_cohorts_are_projects(folder):
    (folder / "list.csv").write_text("slide,slide_mpp\nc.tiff,0.25\na.tiff,\n")
    listed = open_project(folder / "list.csv")
    assert [(slide.path.name, slide.slide_mpp) for slide in listed.slides] == [
        ("c.tiff", 0.25),
        ("a.tiff", None),
    ]
    entries = [
        {"slide": str(folder / "b.tiff"), "status": "failed"},
        {
            "slide": str(folder / "a.tiff"),
            "status": "ok",
            "mask": str(folder / "masks" / "a.ome.zarr"),
        },
    ]
    (folder / "masks" / "cohort.csv").write_text(cohort_table(entries))
    assert states(open_project(folder / "masks" / "cohort.csv")) == ["untouched", "segmented"]


def test_slides_are_gone_through_in_the_window(qtbot, folder, tmp_path):
    viewer = window.open_window(folder, [])
    try:
        (slides,) = (w for w in viewer.window.dock_widgets.values() if isinstance(w, SlidesWidget))
        assert viewer.title == "a.tiff - wsiseg"
        assert not slides.previous.isEnabled()
        slides.masks.choose(folder / "masks")
        slides.annotations.choose(folder / "drawn")
        qtbot.waitUntil(lambda: shown(slides) == ["segmented", "annotated", "untouched"])
        slides.save(tmp_path / "work.wsiseg.json")
        slides.reviewed.setChecked(True)
        qtbot.waitUntil(lambda: shown(slides)[0] == "segmented, reviewed")
        slides.next.click()
        qtbot.waitUntil(lambda: viewer.title == "b.tiff - wsiseg")
        # The title comes a moment before the buttons.
        qtbot.waitUntil(slides.previous.isEnabled)
        assert [layer.name for layer in viewer.layers] == ["b", "tissue"]
        assert slides.status.text() == "Slide 2 of 3: b.tiff"
        # What is in memory only is not thrown away at the first click.
        classes = {0: LabelClass("tumour", (9, 9, 9))}
        region = region_at(current_slide(viewer), Box(0, 0, 40, 50), None, classes)
        add_layers(viewer, [painting_layer(region, np.zeros(region.box.shape, np.uint8))])
        notification_manager.records.clear()
        slides.previous.click()
        assert "b painting would be lost" in slides.status.text()
        assert "b painting" in viewer.layers
        slides.previous.click()
        qtbot.waitUntil(lambda: viewer.title == "a.tiff - wsiseg")
        assert [layer.name for layer in viewer.layers] == ["a", "tissue", "a mask"]
        kept = open_project(tmp_path / "work.wsiseg.json")
        assert (kept.current, kept.slides[0].reviewed) == (0, True)
    finally:
        notification_manager.records.clear()
        viewer.close()
        qtbot.wait(50)


def shown(slides):
    items = map(slides.list.topLevelItem, range(slides.list.topLevelItemCount()))
    return [item.text(1) for item in items]
