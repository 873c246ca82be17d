"""The hardware of a run: processor, cores, memory."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import psutil


def describe_hardware() -> dict[str, object]:
    """Return the processor, cores and memory that this process has."""
    from wsiseg.models.runtimes.choosing import usable_cores

    return {
        "machine": platform.machine(),
        "processor": _processor_name(),
        "cores": usable_cores(),
        "memory_mb": round(psutil.virtual_memory().total / 2**20),
        "system": f"{platform.system()} {platform.release()}",
    }


def peak_rss_mb() -> float:
    """Return the most memory that this process has held so far, in MiB."""
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset) / 2**20
    # Linux's getrusage counts what the parent held before it started this program.
    high_water = _proc_value("/proc/self/status", "VmHWM")
    if high_water is not None:
        return int(high_water.split()[0]) / 2**10
    import resource

    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _processor_name() -> str:
    name = _proc_value("/proc/cpuinfo", "model name")
    return name or platform.processor() or platform.machine()


def _proc_value(path: str, key: str) -> str | None:
    """Return what Linux says under a key, or None on another system."""
    if not Path(path).is_file():
        return None
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None
