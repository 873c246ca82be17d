"""Runs of a network, one after the other: how long each takes, and what power they take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wsiseg.models.runtimes.runtime import Bytes, TileRunner
from wsiseg.throughput.bench_options import BenchOptions
from wsiseg.throughput.probes.power_meter import PowerMeter, find_probes

Progress = Callable[[float], None]


@dataclass(frozen=True)
class SizeResult:
    """What was measured at one size.

    Attributes
    ----------
    height, width : int
        Of the pictures.
    latencies : ndarray
        float64 ``(runs,)``: seconds of each run.
    batch : int
        Pictures of a run.
    macs : int
        Multiply-accumulates for one picture.
    joules : float or None
        Energy of all runs; None where the hardware does not tell.
    utilisation, clock_mhz : float or None
        Means over the runs, as far as a GPU tells.
    cpu_utilisation : float or None
        Share of the time of its threads that this process took of the processor.
    """

    height: int
    width: int
    latencies: np.ndarray
    batch: int
    macs: int
    joules: float | None
    utilisation: float | None
    clock_mhz: float | None
    cpu_utilisation: float | None = None

    @property
    def fps(self) -> float:
        """Pictures a second."""
        return self.batch * len(self.latencies) / float(self.latencies.sum())

    @property
    def mpx_per_s(self) -> float:
        """Megapixels a second."""
        return self.fps * self.height * self.width / 1e6

    @property
    def gflops(self) -> float:
        """Billions of multiplications and additions a second."""
        return 2 * self.macs * self.fps / 1e9

    def describe(self, matrix_gflops: float) -> dict[str, Any]:
        """Return the figures for JSON.

        Parameters
        ----------
        matrix_gflops : float
            What this machine reaches in products of matrices.
        """
        seconds = float(self.latencies.sum())
        p50, p95, p99 = (float(each) * 1e3 for each in np.percentile(self.latencies, (50, 95, 99)))
        megapixels = self.mpx_per_s * seconds
        return {
            "width": self.width,
            "height": self.height,
            "fps": round(self.fps, 3),
            "latency_ms": {"p50": round(p50, 3), "p95": round(p95, 3), "p99": round(p99, 3)},
            "mpx_per_s": round(self.mpx_per_s, 4),
            "macs": self.macs,
            "gflops": round(self.gflops, 2),
            "share_of_matrix_rate": round(self.gflops / matrix_gflops, 4),
            "power_w": None if self.joules is None else round(self.joules / seconds, 3),
            "joules_per_mpx": None if self.joules is None else round(self.joules / megapixels, 5),
            "utilisation": _rounded(self.utilisation),
            "clock_mhz": _rounded(self.clock_mhz),
            "cpu_utilisation": _rounded(self.cpu_utilisation),
        }


def measure_runs(
    runtime: TileRunner, macs: int, options: BenchOptions, progress: Progress
) -> SizeResult:
    """Run a network again and again on the same noise.

    Parameters
    ----------
    runtime : TileRunner
        Compiled.
    macs : int
        Multiply-accumulates for one picture.
    options : BenchOptions
        How often.
    progress : callable
        Called with the share that is done.
    """
    height, width = runtime.settings.tile
    pixels = noise_for(runtime)
    whole = options.warm_up + options.runs
    for number in range(options.warm_up):
        runtime.run(pixels)
        progress((number + 1) / whole)
    latencies = np.empty(options.runs)
    with PowerMeter(find_probes(runtime.settings.device)) as meter:
        processor = time.process_time()
        for number in range(options.runs):
            start = time.perf_counter()
            runtime.run(pixels)
            latencies[number] = time.perf_counter() - start
            progress((options.warm_up + number + 1) / whole)
        processor = time.process_time() - processor
    utilisation, clock = _means(meter)
    return SizeResult(
        height,
        width,
        latencies,
        options.batch,
        macs,
        meter.joules(),
        utilisation,
        clock,
        processor / float(latencies.sum()) / runtime.settings.threads,
    )


def noise_for(runtime: TileRunner) -> Bytes:
    """Return a batch of noise, uint8 ``(batch, H, W, 3)``, the same every time.

    Parameters
    ----------
    runtime : TileRunner
        Compiled for batches of that shape.
    """
    shape = (runtime.settings.batch, *runtime.settings.tile, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _means(meter: PowerMeter) -> Iterator[float | None]:
    """Yield the mean utilisation and the mean clock, of the probe that tells them."""
    samples = [s.reading for energy in meter.energies().values() for s in energy.samples]
    for told in (
        [each.utilisation for each in samples if each.utilisation is not None],
        [each.clock_mhz for each in samples if each.clock_mhz is not None],
    ):
        yield sum(told) / len(told) if told else None


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 4)
