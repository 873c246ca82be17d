"""The notebooks run from top to bottom, and are kept without what they showed."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


@pytest.fixture
def jupyter(tmp_path, monkeypatch):
    """Return what runs a notebook as Jupyter does, in a process of its own."""
    # What the user of this machine has set up for it neither helps nor suffers.
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))

    def run(name):
        notebook = nbformat.read(EXAMPLES / name, as_version=4)
        where = {"metadata": {"path": str(tmp_path)}}
        NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
        return notebook

    return run


def texts(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def pictures(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return sum("image/png" in output.get("data", ()) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)
    assert path.stat().st_size < 20_000


# Jupyter shows a picture and forgets it; nobody closes its file.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_the_cells_of_segment_and_look_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for cell in nbformat.read(EXAMPLES / "segment_and_look.ipynb", as_version=4).cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    assert names["outlines"].features > 500
    assert (tmp_path / "out" / "nuclei.geojson").is_file()


@pytest.mark.long
def test_segment_and_look(jupyter):
    notebook = jupyter("segment_and_look.ipynb")
    assert pictures(notebook) == 3
    assert "nuclei.geojson" in texts(notebook)


@pytest.mark.long
def test_fine_tune_and_compare(jupyter):
    notebook = jupyter("fine_tune_and_compare.ipynb")
    assert pictures(notebook) == 2
    told = texts(notebook)
    before, after = told.split("nucleus  Dice ")[1].split(" after")[0].split(" before, ")
    assert float(after) > float(before) + 0.05
