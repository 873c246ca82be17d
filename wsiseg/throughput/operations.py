"""The operations in which a network spends most of its time, as PyTorch's profiler tells them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile

from wsiseg.models.runtimes.runtime import TileRunner
from wsiseg.models.runtimes.torch import TorchRuntime
from wsiseg.throughput.runs import noise_for

MOST = 10


def longest_operations(runtime: TileRunner) -> list[dict[str, Any]] | None:
    """Return the ten operations that take longest: of a GPU its kernels, of a CPU PyTorch's own.

    Parameters
    ----------
    runtime : TileRunner
        Compiled.

    Returns
    -------
    list of dict or None
        ``name``, ``calls``, ``ms`` and ``share`` of each in one run, longest first; None if the
        runtime is not PyTorch, as no other tells.
    """
    if not isinstance(runtime, TorchRuntime):
        return None
    on_gpu = runtime.settings.device.startswith("cuda")
    activity = ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU
    pixels = noise_for(runtime)
    runtime.run(pixels)
    with _silence(), profile(activities=[activity]) as profiler:
        runtime.run(pixels)
    return rank(
        [
            (
                event.key,
                event.count,
                event.self_device_time_total if on_gpu else event.self_cpu_time_total,
            )
            for event in profiler.key_averages()
        ]
    )


@contextmanager
def _silence() -> Iterator[None]:
    """Keep stderr clear of what the profiler writes past Python, as a context manager."""
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def rank(found: list[tuple[str, int, float]]) -> list[dict[str, Any]]:
    """Return the ten longest of what was found, for JSON.

    Parameters
    ----------
    found : list of tuple
        Name, calls and microseconds of each.

    Examples
    --------
    >>> rank([("add", 4, 10.0), ("convolution", 2, 30.0)])[0]
    {'name': 'convolution', 'calls': 2, 'ms': 0.03, 'share': 0.75}
    """
    whole = sum(each[2] for each in found)
    longest = sorted(found, key=lambda each: each[2], reverse=True)[:MOST]
    return [
        {"name": name, "calls": calls, "ms": round(us / 1e3, 4), "share": round(us / whole, 4)}
        for name, calls, us in longest
        if us > 0
    ]
