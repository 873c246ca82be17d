"""Reads the files that it is told of, in a process of its own that may die of them.

One line of JSON in: ``{"path", "reader"}``; one out: ``{"failure", "seconds", "peak_mb"}``.
"""

import json
import resource
import sys
import time

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


def failure_of(path: str, reader: str | None) -> str | None:
    """Return what went wrong other than by one of our errors."""
    try:
        read_all(path, reader)
    except WsisegError:
        pass
    except BaseException as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"
    return None


for line in sys.stdin:
    start = time.process_time()
    failure = failure_of(**json.loads(line))
    answer = {
        "failure": failure,
        "seconds": time.process_time() - start,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(answer), flush=True)
