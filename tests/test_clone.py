"""A clone is itself: its rooms are imported together, whichever clone is installed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import wsiseg
from wsiseg.clone import ROOMS

ROOT = Path(wsiseg.__file__).resolve().parent.parent


@pytest.fixture
def other_clone(tmp_path):
    for room in ("wsiseg", *ROOMS):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def import_in(folder, code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder
    )


def test_all_rooms_come_from_the_clone_that_is_worked_in(other_clone):
    rooms = ("wsiseg", *(f"wsiseg.{room}" for room in ROOMS), "wsiseg.tiling.slides")
    run = import_in(
        other_clone,
        f"import importlib\nfor room in {rooms}: print(importlib.import_module(room).__file__)",
    )
    assert run.returncode == 0, run.stderr
    folders = ("wsiseg", *ROOMS, "tiling/slides")
    assert run.stdout.split() == [str(other_clone / room / "__init__.py") for room in folders]


def test_a_room_that_the_clone_lacks_is_not_taken_from_another(other_clone):
    shutil.rmtree(other_clone / "viewer")
    run = import_in(other_clone, "import wsiseg.viewer")
    assert "wsiseg.viewer is not in the clone that wsiseg was imported from" in run.stderr


def test_outside_of_any_clone_the_installed_one_is_taken(tmp_path):
    run = import_in(tmp_path, "import wsiseg.tiling; print(wsiseg.tiling.__file__)")
    assert Path(run.stdout.strip()) == ROOT / "tiling" / "__init__.py"
