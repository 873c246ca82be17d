"""Files that mean harm end in a line: no code runs, nothing is written, little memory is taken."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from security.hostile_checkpoints import CHECKPOINTS
from security.hostile_files import FILES

HERE = Path(__file__).resolve().parent
HARMLESS = {"included.xml"}
"""What is read as it stands: without what it wants to have included."""


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("attacks")
    given, here = folder / "in", folder / "cwd"
    given.mkdir()
    here.mkdir()
    for name, make in (CHECKPOINTS | FILES).items():
        if isinstance(make, str):
            (given / name).write_text(make)
        else:
            make(given / name)
    words = [sys.executable, HERE / "attacked.py", *(given / name for name in CHECKPOINTS | FILES)]
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        timeout=20 * len(words),
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not list(here.iterdir())
    assert {path.name for path in given.iterdir()} == {*CHECKPOINTS, *FILES}
    return {told["name"]: told for told in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", [*CHECKPOINTS, *FILES])
def test_a_file_that_means_harm_is_refused_in_a_line(name, met):
    told = met[name]
    assert told["heard"] == []
    if name in HARMLESS:
        assert told["told"] == "taken"
    else:
        kinds = ("CheckpointError: ", "WeightsMismatchError: ", "AnnotationError: ", "ArgumentErr")
        assert told["told"].startswith(kinds)
    assert told["told"].isprintable()
    assert "root:" not in told["told"]
    # Beyond it the process would have had no memory.
    assert told["grown_mb"] < 300


def test_an_attack_that_succeeds_is_noticed(tmp_path):
    """Plant readers that run code, write a file, take memory, or fail in a way of their own."""
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "import attacked; sys.addaudithook(attacked.hear)\n"
        "attacked.meet('ran', lambda: os.system('true'))\n"
        "attacked.meet('wrote', lambda: open('pwned', 'w').close())\n"
        "attacked.meet('took', lambda: bytearray(2**29))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, HERE],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=tmp_path,
    )
    ran, wrote, took = map(json.loads, done.stdout.splitlines())
    assert ran["heard"] == ["os.system b'true'"]
    assert wrote["heard"] == ["open pwned"]
    assert took["told"].startswith("untyped MemoryError")
