"""Threads and processes that read one slide see what a single reader sees."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jpeg_slide import write_jpeg_slide
from repetitions import repetitions

SCRIPT = Path(__file__).parents[1] / "parallel_reads.py"


READS = repetitions(200, 2000)


def told(folder: Path, reader: str, *fault: str) -> dict[str, Any]:
    """Read in a process of its own, so that what is forked off has nothing of pytest in it."""
    slide = write_jpeg_slide(folder / "slide.tif", 900, 700)
    command = [sys.executable, str(SCRIPT), str(slide), reader, str(READS), *fault]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


@pytest.mark.parametrize("reader", ["tifffile", "openslide"])
def test_threads_and_processes_read_what_one_reads(tmp_path: Path, reader: str) -> None:
    found = told(tmp_path, reader)
    assert found["differ"] == {"threads": 0, "fork": 0, "spawn": 0}
    assert found["files_left"] == 0
    assert found["gained_mb"] < 8


@pytest.mark.parametrize(
    ("reader", "fault"), [("tifffile", "a position is shared"), ("openslide", "a buffer is shared")]
)
def test_planted_faults_are_noticed(tmp_path: Path, reader: str, fault: str) -> None:
    """Pixels differ, or a tile seems damaged, in the short form as in the long one."""
    with pytest.raises(AssertionError):
        assert set(told(tmp_path, reader, fault)["differ"].values()) == {0}
