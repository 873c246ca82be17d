"""Kill, interrupt and starve runs as the scripts in ``benchmarks/`` do, a few times.

``python stopped.py KILLS SIGNALS ROOMS`` prints a line of JSON.  Where a tmpfs can be mounted it is
to be run in a mount namespace of its own.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import disk_full
import kills

HEIGHT = 2_600


def interrupt(runs: kills.Runs, times: int) -> tuple[list[str], kills.Outcome]:
    """Send SIGTERM and SIGINT in turn; return what was said, and what came of going on."""
    outcome, said = kills.Outcome(), []
    for index, event in enumerate(spread(runs.changes, times)):
        number = (signal.SIGTERM, signal.SIGINT)[index % 2]
        output = runs.folder / f"signal{event}"
        status = runs.stop_at(output, event, number)
        said.append(f"{status - 128 - number} {runs.told.splitlines()[-1]}")
        runs.examine(output, outcome, f"{number.name} at change {event}")
        shutil.rmtree(output)
    return said, outcome


def spread(changes: int, times: int) -> list[int]:
    """Return numbers all over the changes, or bytes, of a run."""
    return [round(changes * (index + 0.4) / times) for index in range(times)]


def main() -> None:
    killed, interrupted, rooms = map(int, sys.argv[1:4])
    # Shells start what runs in the background with this signal ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = str(Path(name, "cache"))
        runs = kills.Runs(Path(name).resolve(), HEIGHT)
        kill = kills.kill_at_changes(runs, spread(runs.changes, killed))
        said, signals = interrupt(runs, interrupted)
        if disk_full.UNSHARED in os.environ:
            full = disk_full.try_points(runs, lambda used: spread(used, rooms))
        else:
            full = disk_full.try_limits(runs, rooms)
        told = {
            "kills": kill.killed,
            "begun": max(kill.begun + signals.begun),
            "lost": sum(kill.lost + signals.lost),
            "signals": signals.killed,
            "said": said,
            "full": full.stages,
            "wrong": [*kill.wrong, *signals.wrong, *full.wrong],
        }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
