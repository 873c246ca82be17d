"""Processes that are killed, interrupted or starved go on to the bytes of an undisturbed run.

The short form of `benchmarks/kills.py`, `signals.py` and `disk_full.py`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repetitions import repetitions

HERE = Path(__file__).resolve().parents[1]
SPACE = ("unshare", "--mount", "--map-root-user")


def can_mount() -> bool:
    words = (*SPACE, "sh", "-c", "mount -t tmpfs -o size=64k none /mnt")
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def stop(*counts: int, code: str = "import stopped; stopped.main()") -> dict:
    space, marked = (SPACE, {"WSISEG_DISK_FULL_UNSHARED": "1"}) if can_mount() else ((), {})
    done = subprocess.run(
        [*space, sys.executable, "-c", code, *map(str, counts)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **marked, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"},
        timeout=60 + 20 * sum(counts),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and makes a file in memory")
def test_what_stops_a_process_loses_nothing():
    counts = repetitions(20, 60), repetitions(2, 20), repetitions(1, 20)
    told = stop(*counts)
    assert told["wrong"] == []
    assert told["begun"] <= 1
    assert told["lost"] == 0
    assert sum(told["kills"].values()) >= counts[0] - 1
    assert {"bands", "image"} <= {*told["kills"], *told["signals"]}
    assert sum(told["full"].values()) == counts[2]
    # The exit status is 128 and the signal's number.
    for line in told["said"]:
        assert line.startswith("0 error: interrupted")
    assert sum("Continue with --resume." in line for line in told["said"]) >= counts[1] - 1
