"""Threads and processes that read one slide see what a single reader sees."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jpeg_slide import write_jpeg_slide

SCRIPT = Path(__file__).parents[1] / "parallel_reads.py"


@pytest.mark.parametrize(("reader", "reads"), [("tifffile", 2000), ("openslide", 2000)])
def test_threads_and_processes_read_what_one_reads(tmp_path: Path, reader: str, reads: int) -> None:
    """In a process of its own, so that what is forked off has nothing of pytest in it."""
    slide = write_jpeg_slide(tmp_path / "slide.tif", 900, 700)
    command = [sys.executable, str(SCRIPT), str(slide), reader, str(reads)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(run.stdout)
    assert told["differ"] == {"threads": 0, "fork": 0, "spawn": 0}
    assert told["files_left"] == 0
    assert told["gained_mb"] < 8
