"""Workers of training that are started anew, as on Windows and macOS, and not forked."""

import subprocess
import sys

import pytest

from pictures import CLASS_MAP, write_pictures

CODE = """
import multiprocessing, sys
from wsiseg.cli import main
if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main(sys.argv[1:])
"""


@pytest.mark.long
def test_workers_that_are_started_anew_read_tiles(tmp_path):
    images, labels = write_pictures(tmp_path, 3)
    (tmp_path / "program.py").write_text(CODE, encoding="utf-8")
    words = ("--images", images, "--labels", labels, "--class-map", CLASS_MAP, "--epochs", 1)
    small = ("--set", "alpha2=1", "--set", "alpha3=1", "--batch", 2, "--workers", 1)
    command = [sys.executable, tmp_path / "program.py", "train", *words, *small]
    run = subprocess.run(
        [*map(str, command), "-o", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "run" / "best.safetensors").is_file()
