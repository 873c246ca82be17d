"""Files that mean harm end in a line: no code runs, nothing is written, little memory is taken."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hostile_checkpoints import CHECKPOINTS
from hostile_files import FILES

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def met(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("attacks")
    (folder / "in").mkdir()
    paths = []
    for name, make in (CHECKPOINTS | FILES).items():
        path = folder / "in" / name
        if isinstance(make, str):
            path.write_text(make)
        else:
            make(path)
        paths.append(path)
    (folder / "cwd").mkdir()
    done = subprocess.run(
        [sys.executable, HERE / "attacked.py", *paths],
        capture_output=True,
        text=True,
        check=False,
        timeout=20 * len(paths),
        cwd=folder / "cwd",
        env={**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not list((folder / "cwd").iterdir())
    assert sorted(path.name for path in (folder / "in").iterdir()) == sorted(CHECKPOINTS | FILES)
    return {told["name"]: told for told in map(json.loads, done.stdout.splitlines())}
