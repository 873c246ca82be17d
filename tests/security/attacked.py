"""Meets attacks in a process with little memory, and tells what it did that it should not do.

``python attacked.py FILE...`` reads checkpoints, class maps and annotations; one line of JSON for
each: its name, what came of it, seconds, MiB, and what was written, run or connected to.
"""

import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MIB = 2**20
LIMIT = 300 * MIB

_WRITING = {
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "os.truncate",
    "os.link",
    "os.symlink",
}
_RUNNING = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn"}
_CONNECTING = {"socket.connect", "socket.getaddrinfo", "urllib.Request"}

heard: list[str] = []
listening = False


def hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what changes a file, runs a program or goes to the network."""
    if not listening:
        return
    if event == "open":
        path, mode, flags = arguments
        writes = isinstance(mode, str) and set(mode) & set("wax+")
        if writes or (mode is None and flags & 3):
            heard.append(f"{event} {path}")
    elif event in _WRITING | _RUNNING | _CONNECTING:
        heard.append(f"{event} {arguments[0]}")


def _memory(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise LookupError(key)


def meet(name: str, work: Callable[[], object]) -> None:
    """Do something under observation, and print what came of it."""
    global listening  # noqa: PLW0603 -- an audit hook has nobody else to ask
    from wsiseg.errors import WsisegError

    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory("VmRSS")
    most = _memory("VmData") + LIMIT
    resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))
    heard.clear()
    begun, listening = time.perf_counter(), True
    try:
        work()
        told = "taken"
    except WsisegError as error:
        told = f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 -- what comes is told
        told = f"untyped {type(error).__name__}: {error}"
    listening = False
    seconds = time.perf_counter() - begun
    resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY,) * 2)
    grown = round((_memory("VmHWM") - before) / MIB)
    line = {"name": name, "told": told, "seconds": round(seconds, 2), "grown_mb": grown}
    print(json.dumps({**line, "heard": list(heard)}), flush=True)


def main() -> None:
    """Read every file."""
    import torch

    from wsiseg.annotations import read_annotations
    from wsiseg.annotations.class_map import ClassMap
    from wsiseg.models import import_checkpoint, load_checkpoint

    torch.set_num_threads(1)
    readers: dict[str, Callable[[Path], object]] = {
        ".safetensors": load_checkpoint,
        ".pth": lambda path: import_checkpoint(path, "espnet"),
        ".yaml": lambda path: ClassMap.read(str(path)),
    }
    sys.addaudithook(hear)
    for word in sys.argv[1:]:
        path = Path(word)
        meet(path.name, lambda path=path: readers.get(path.suffix, read_annotations)(path))


if __name__ == "__main__":
    main()
