"""Measures how fast a network is here: latency, frames, pixels and power.

The protocol is that of the ESPNet papers (Mehta et al., ECCV 2018, section 4.3): pictures of
1024×512 one at a time, many runs after some that warm up, without reading or writing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from wsiseg.models.folding import fold
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import Normalisation
from wsiseg.models.profiling import count_macs, count_parameters
from wsiseg.models.runtimes.choosing import RuntimeChoice, choose_runtime
from wsiseg.models.runtimes.runtime import Runtime
from wsiseg.models.tile_network import TileNetwork
from wsiseg.throughput.bench_options import BenchOptions
from wsiseg.throughput.probes.power_meter import PowerMeter, find_probes

_MATRIX = 2048
_MATRIX_SECONDS = 0.5

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
    """

    height: int
    width: int
    latencies: np.ndarray
    batch: int
    macs: int
    joules: float | None
    utilisation: float | None
    clock_mhz: float | None

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
            "utilisation": self.utilisation,
            "clock_mhz": self.clock_mhz,
        }


def bench(
    name: str,
    network: SegmentationNetwork,
    normalisation: Normalisation,
    options: BenchOptions,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure a network.

    Parameters
    ----------
    name : str
        What it is called.
    network : SegmentationNetwork
        In evaluation mode.
    normalisation : Normalisation
        What it takes.
    options : BenchOptions
        The protocol, and on what it runs.
    progress : callable
        Called with the share that is done, 0 to 1; may raise to cancel.

    Returns
    -------
    dict
        Figures of the first size, those of every size under ``sizes``, and on what they were
        measured.  What the hardware does not tell is None.

    Raises
    ------
    RuntimeUnavailableError
        If the runtime, device or precision is not there, or does not take the network.
    ArgumentError
        If a size is no multiple of what the network takes.
    """
    choice = choose_runtime(options.runtime, options.device, options.precision, options.threads)
    matrix_gflops = measure_matrix_rate(choice)
    folded = fold(network)
    results = []
    for number, (height, width) in enumerate(options.sizes):

        def advance(share: float, number: int = number) -> None:
            if progress is not None:
                progress((number + share) / len(options.sizes))

        macs = count_macs(network, height, width)
        tiles = TileNetwork(folded, normalisation, ("labels",)).eval()
        runtime = choice.compile(tiles, (height, width), options.batch)
        results.append(_measure(runtime, macs, options, advance))
    described = [result.describe(matrix_gflops) for result in results]
    parameters = count_parameters(network)
    return {
        "name": name,
        **described[0],
        "parameters": parameters,
        "size_mb": round(parameters * 4 / 1e6, 3),
        "matrix_gflops": round(matrix_gflops, 1),
        "runtime": choice.runtime,
        "device": choice.device,
        "precision": choice.precision,
        "threads": choice.threads,
        "batch": options.batch,
        "runs": options.runs,
        "sizes": described,
    }


def _measure(runtime: Runtime, macs: int, options: BenchOptions, progress: Progress) -> SizeResult:
    height, width = runtime.settings.tile
    noise = np.random.default_rng(0)
    pixels = noise.integers(0, 256, (options.batch, height, width, 3), np.uint8)
    whole = options.warm_up + options.runs
    for number in range(options.warm_up):
        runtime.run(pixels)
        progress((number + 1) / whole)
    latencies = np.empty(options.runs)
    with PowerMeter(find_probes(runtime.settings.device)) as meter:
        for number in range(options.runs):
            start = time.perf_counter()
            runtime.run(pixels)
            latencies[number] = time.perf_counter() - start
            progress((options.warm_up + number + 1) / whole)
    utilisation, clock = _means(meter)
    return SizeResult(
        height, width, latencies, options.batch, macs, meter.joules(), utilisation, clock
    )


def _means(meter: PowerMeter) -> Iterator[float | None]:
    """Yield the mean utilisation and the mean clock, of the probe that tells them."""
    samples = [s.reading for energy in meter.energies().values() for s in energy.samples]
    for told in (
        [each.utilisation for each in samples if each.utilisation is not None],
        [each.clock_mhz for each in samples if each.clock_mhz is not None],
    ):
        yield sum(told) / len(told) if told else None


def measure_matrix_rate(choice: RuntimeChoice) -> float:
    """Return how fast PyTorch multiplies matrices here, in billions of operations a second.

    No network of convolutions goes far beyond it, so its share of this rate says how much a better
    runtime could still gain.

    Parameters
    ----------
    choice : RuntimeChoice
        Device, precision and threads.
    """
    kinds = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
    device = torch.device(choice.device)
    threads = torch.get_num_threads()
    torch.set_num_threads(choice.threads)
    try:
        square = torch.rand(_MATRIX, _MATRIX, device=device, dtype=kinds[choice.precision])
        _multiply(square)
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < _MATRIX_SECONDS:
            _multiply(square)
            count += 1
        seconds = time.perf_counter() - start
    finally:
        torch.set_num_threads(threads)
    return 2 * _MATRIX**3 * count / seconds / 1e9


def _multiply(square: torch.Tensor) -> None:
    # Taking one number off the device waits for it.
    torch.matmul(square, square)[0, 0].item()
