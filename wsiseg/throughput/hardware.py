"""What machine a run was on."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import psutil

from wsiseg.models.runtimes.choosing import usable_cores


def describe_hardware() -> dict[str, object]:
    """Return the processor, cores and memory that this process has."""
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
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _processor_name() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
