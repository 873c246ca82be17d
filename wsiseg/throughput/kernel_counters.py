"""Hardware counters of a network's kernels on NVIDIA's GPUs, by Nsight Compute's ``ncu``.

Its metrics are those that replace what nvprof called warp execution and memory efficiency:
https://docs.nvidia.com/nsight-compute/NsightComputeCli/index.html#nvprof-metric-comparison
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsiseg.errors import RuntimeUnavailableError
from wsiseg.throughput.operations import rank

_DURATION = "gpu__time_duration.sum"
_PARTS = {
    "warp_execution_efficiency": "smsp__thread_inst_executed_per_inst_executed.ratio",
    "load_efficiency": "smsp__sass_average_data_bytes_per_sector_mem_global_op_ld.pct",
    "store_efficiency": "smsp__sass_average_data_bytes_per_sector_mem_global_op_st.pct",
    "dram_throughput": "dram__throughput.avg.pct_of_peak_sustained_elapsed",
    "sm_throughput": "sm__throughput.avg.pct_of_peak_sustained_elapsed",
}
_WARP = 32
_SECONDS = 600
"""Kernels run several times each, as not all counters fit at a time."""


@dataclass
class Launch:
    """One launch of a kernel.

    Attributes
    ----------
    name : str
        The kernel.
    figures : dict of str to float
        Values of its metrics by their names; times in ns.
    """

    name: str
    figures: dict[str, float] = field(default_factory=dict)


def find_ncu() -> str | None:
    """Return where ``ncu`` is; None if it is not installed."""
    return shutil.which("ncu")


def profile(program: str, command: Sequence[str]) -> dict[str, Any]:
    """Run a command under ``ncu`` and return what its kernels did.

    Parameters
    ----------
    program : str
        What :func:`find_ncu` returned.
    command : sequence of str
        Has CUDA's profiler begin and end where kernels count.

    Returns
    -------
    dict
        See :func:`describe`.

    Raises
    ------
    RuntimeUnavailableError
        If ``ncu`` fails, for instance as this user may not read counters.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "ncu.csv")
        options = ["--csv", "--print-units", "base", "--log-file", str(log)]
        options += ["--profile-from-start", "off", "--target-processes", "all"]
        options += ["--metrics", ",".join((_DURATION, *_PARTS.values()))]
        try:
            run = subprocess.run(
                [program, *options, *command],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_SECONDS,
                # In some languages its numbers have commas for points.
                env=os.environ | {"LC_ALL": "C"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _unavailable(str(error)) from error
        text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    launches = parse(text)
    if run.returncode or not launches:
        raise _unavailable(_complaint(text) or _complaint(run.stdout + run.stderr))
    return describe(launches)


def parse(text: str) -> list[Launch]:
    """Return the launches in the output of ``ncu --csv``.

    Parameters
    ----------
    text : str
        A line for each metric of each launch, among lines of ``ncu`` itself, which begin with
        ``==``.
    """
    table = [line for line in text.splitlines() if line.startswith('"')]
    launches: dict[str, Launch] = {}
    for row in csv.DictReader(table):
        number, name = row.get("ID"), row.get("Kernel Name")
        metric, value = row.get("Metric Name"), row.get("Metric Value")
        if number is None or name is None or metric is None or value is None:
            continue
        launch = launches.setdefault(number, Launch(name))
        figure = _number(value)
        # A kernel that stores nothing, for instance, has no efficiency of its stores.
        if figure is not None:
            launch.figures[metric] = figure
    return list(launches.values())


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def describe(launches: Sequence[Launch]) -> dict[str, Any]:
    """Return the counters of a run for JSON.

    Parameters
    ----------
    launches : sequence of Launch
        All kernels of the run.

    Returns
    -------
    dict
        ``kernels``, the ten that took longest; and shares between 0 and 1, each the mean over the
        launches that have it, long ones counting more: ``warp_execution_efficiency`` (threads that
        work in a warp), ``load_efficiency`` and ``store_efficiency`` (bytes that are used of those
        that are moved), ``memory_efficiency`` (the mean of these), ``dram_throughput`` and
        ``sm_throughput`` (of what the memory and the processors can do).  None for what no launch
        has.
    """
    by_name: dict[str, list[float]] = {}
    for launch in launches:
        by_name.setdefault(launch.name, []).append(launch.figures.get(_DURATION, 0.0) / 1e3)
    shares = {
        name: _mean(launches, metric, _WARP if metric.endswith(".ratio") else 100)
        for name, metric in _PARTS.items()
    }
    both = [shares[name] for name in ("load_efficiency", "store_efficiency")]
    told = [each for each in both if each is not None]
    return {
        **{name: None if share is None else round(share, 4) for name, share in shares.items()},
        "memory_efficiency": round(sum(told) / len(told), 4) if told else None,
        "kernels": rank([(name, len(took), sum(took)) for name, took in by_name.items()]),
    }


def _mean(launches: Sequence[Launch], metric: str, full: float) -> float | None:
    """Return the mean of a metric over the time of its launches, as a share."""
    told = [
        (each.figures[metric] / full, each.figures.get(_DURATION, 0.0))
        for each in launches
        if metric in each.figures
    ]
    whole = sum(time for _, time in told)
    return sum(value * time for value, time in told) / whole if whole else None


def _complaint(text: str) -> str:
    """Return the last line in which ``ncu`` says what it could not do."""
    said = [line for line in text.splitlines() if line.startswith("==ERROR==")]
    return said[-1].removeprefix("==ERROR==").strip() if said else ""


def _unavailable(why: str) -> RuntimeUnavailableError:
    return RuntimeUnavailableError(
        f"ncu gives no counters: {why or 'it saw no kernel'}",
        None,
        "Where it is a matter of permission, run it as root, or let the driver's administrator "
        "allow counters for all users.",
    )


def counters_of(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the counters in a result of :func:`wsiseg.throughput.bench.bench`; empty if none."""
    return result.get("counters") or {}
