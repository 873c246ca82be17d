"""Reads the files that it is told of, in a process of its own that may die of them.

One line of JSON in: ``{"path", "reader"}``; one out, see `outcome`.  The first argument is run
before: tests plant faults by it.
"""

import json
import re
import sys
from pathlib import Path

from wsiseg.errors import WsisegError
from wsiseg.tiling import Box, open_slide


def read_all(path: str, reader: str | None) -> None:
    """Open a slide and read some of every level, and its other pictures."""
    with open_slide(path, reader) as slide:
        for index, level in enumerate(slide.levels[:4]):
            slide.read_region(index, Box(0, 0, min(200, level.height), min(200, level.width)))
            end = Box(level.height - 40, level.width - 40, 64, 64)
            slide.read_region(index, end)
        for name in slide.facts.associated:
            slide.read_associated(name)


def outcome(path: str, reader: str | None) -> dict[str, str | None]:
    """Return which of our errors refused the file, and what else went wrong."""
    try:
        read_all(path, reader)
    except WsisegError as error:
        return {"refused": str(error), "failure": None}
    except BaseException as error:  # noqa: BLE001
        return {"refused": None, "failure": f"{type(error).__name__}: {error}"}
    return {"refused": None, "failure": None}


def peak_megabytes() -> float:
    """Return the most that this process has held; resource counts its parent, too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) / 1024


exec(sys.argv[1])

for line in sys.stdin:
    answer = {
        **outcome(**json.loads(line)),
        "peak_mb": peak_megabytes(),
    }
    print(json.dumps(answer), flush=True)
