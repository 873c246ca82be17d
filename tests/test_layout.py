"""The package as it is installed: nothing forgotten, nothing heavy, nothing upside down."""

import doctest
import importlib
import inspect
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import wsiseg
from wsiseg.demo.sections import TISSUE
from wsiseg.tiling.boxes import Box

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {
    "wsiseg": "wsiseg",
    **{room: f"wsiseg/{room}" for room in ("tiling", "models", "viewer")},
}


def sources():
    for room, home in ROOMS.items():
        for file in sorted((ROOT / room).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file, f"{home}/{file.relative_to(ROOT / room).as_posix()}"


def modules():
    for _, place in sources():
        if place.endswith(".py") and not place.endswith("__main__.py"):
            yield place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_the_wheel_holds_every_file_of_the_rooms_and_no_other(tmp_path):
    # What setuptools left of an earlier build would be packed again.
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(tmp_path)]
    # The build writes the version into the clone, where it has to go on being that of the package.
    same = {**os.environ, "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_WSISEG": wsiseg.__version__}
    run = subprocess.run(
        [*command, str(ROOT)], capture_output=True, text=True, check=False, env=same
    )
    assert run.returncode == 0, run.stdout + run.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == {place for _, place in sources()}


@pytest.fixture(scope="session")
def examples_folder(tmp_path_factory):
    """What the examples in docstrings find in the working directory.

    Two annotated fields, and what was left by segmenting a piece of real tissue.
    """
    folder = tmp_path_factory.mktemp("examples")
    for kind, value in (("images", 200), ("labels", 1)):
        (folder / "fields" / kind).mkdir(parents=True)
        field = np.zeros((32, 32), np.uint8)
        field[8:24, 8:24] = value
        for name in ("kidney", "liver"):
            Image.fromarray(field).save(folder / "fields" / kind / f"{name}.png")
    with wsiseg.open_slide(TISSUE) as slide:
        tissue = Image.fromarray(slide.read_region(0, Box(y=1950, x=1100, height=96, width=128)))
    tissue.save(folder / "biopsy.png")
    settings = {"slide_mpp": 0.5, "tissue": "none", "tile": 128, "runtime": "torch"}
    wsiseg.segment(folder / "biopsy.png", output=folder / "out", **settings)
    return folder


@pytest.mark.parametrize("module", list(modules()))
def test_every_module_imports_and_its_examples_hold(module, examples_folder, monkeypatch):
    monkeypatch.chdir(examples_folder)
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(importlib.import_module(module)):
        # Python looks at every file that it knows before it runs a text, be it without examples.
        if test.examples:
            runner.run(test)
    assert not runner.failures


@pytest.mark.parametrize("code", ["import wsiseg", "import wsiseg.cli", "import wsiseg.errors"])
def test_importing_loads_neither_torch_nor_qt(code):
    heavy = "('torch', 'zarr', 'qtpy', 'napari')"
    check = f"{code}; import sys; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "words",
    [
        "segment a.svs -o out --blend median",
        "train -o run --images a --labels b --class-map 0=a --epochs 0",
        "train -o run --images a --labels b --class-map 0=a --recipe none",
        "evaluate -c best.safetensors --images a --labels b --class-map 0=a --tile 1",
        "evaluate --compare best.safetensors --images a --labels b --class-map 0=a",
    ],
)
def test_a_wrong_value_is_refused_before_torch_is_loaded(words, tmp_path):
    check = f"from wsiseg.cli import main; main({words.split()})"
    code = (
        f"try: {check}\nfinally:\n  import sys; print([m for m in ('torch',) if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert run.returncode == 2, run.stderr
    assert run.stdout.strip() == "[]"


def test_the_public_names_are_these_and_all_errors():
    assert wsiseg.__all__ == sorted(
        {
            *("segment", "segment_batch", "train", "evaluate", "compare", "export", "measure"),
            *(
                "report",
                "ReportResult",
                "quantize",
                "QuantizeResult",
                "ListedSlide",
                "read_slide_list",
            ),
            *("SegmentOptions", "DataOptions", "TrainOptions", "EvaluateOptions", "RefineOptions"),
            *("SegmentResult", "TrainResult", "ExportResult", "MeasureOptions", "MeasureResult"),
            *("predict", "PredictedImage", "PredictOptions"),
            *("refine", "RefineResult"),
            *("Checkpoint", "load_checkpoint", "Slide", "open_slide", "find_slides"),
            *("annotations", "cluster", "errors", "models", "tiling", "training"),
            "__version__",
            *wsiseg.errors.__all__,
        }
    )


def test_jobs_show_how_they_are_called():
    jobs = {name: getattr(wsiseg, name) for name in wsiseg.__all__ if name[0].islower()}
    bare = {
        name
        for name, job in jobs.items()
        if inspect.isfunction(job) and ">>>" not in inspect.getdoc(job)
    }
    # What quantises is not everywhere, and takes its time.
    assert bare == {"quantize"}


def test_jobs_are_called_alike():
    jobs = (wsiseg.segment, wsiseg.segment_batch, wsiseg.train, wsiseg.evaluate)
    for job in jobs:
        names = list(inspect.signature(job).parameters)
        assert names[1:3] == ["checkpoint", "output"]
        assert "listener" in names


def test_public_names_are_there_and_can_be_called():
    for name in wsiseg.__all__:
        assert getattr(wsiseg, name) is not None
    importlib.import_module("wsiseg.segmentation.segmenting")
    importlib.import_module("wsiseg.report.reporting")
    assert callable(wsiseg.segment)
    assert callable(wsiseg.report)
    with pytest.raises(AttributeError, match="nothing"):
        _ = wsiseg.nothing
