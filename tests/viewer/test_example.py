"""The example of a window: a slide of the package with its mask."""

import importlib.util
from pathlib import Path

import pytest

# Each window registers actions; napari's own app takes them once in a process.
pytestmark = pytest.mark.usefixtures("mock_app_model")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "02_look_in_napari.py"


@pytest.mark.long
def test_02_a_window_with_slide_and_mask(tmp_path, qtbot):
    spec = importlib.util.spec_from_file_location(EXAMPLE.stem, EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    viewer = module.main(tmp_path)
    try:
        first, *_, last = viewer.layers
        assert first.name.startswith("CMU-1-Small-Region")
        assert type(last).__name__ == "Labels"
    finally:
        viewer.close()
