"""Measures how fast a network is here: latency, frames, pixels and power.

The protocol is that of the ESPNet papers (Mehta et al., ECCV 2018, section 4.3): pictures of
1024×512 one at a time, many runs after some that warm up, without reading or writing.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any

import torch

from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.profiling import count_macs, count_parameters
from wsiseg.models.runtimes.choosing import RuntimeChoice, choose_runtime
from wsiseg.models.runtimes.predictor import Predictor
from wsiseg.models.runtimes.runtime import TileRunner
from wsiseg.throughput.bench_options import BenchOptions
from wsiseg.throughput.clocks import check_clocks, measure_at_clocks
from wsiseg.throughput.operations import longest_operations
from wsiseg.throughput.runs import Progress, measure_runs, noise_for

_MATRIX = 2048
_MATRIX_SECONDS = 0.5


def bench(
    checkpoint: Checkpoint, options: BenchOptions, progress: Progress | None = None
) -> dict[str, Any]:
    """Measure a network.

    Parameters
    ----------
    checkpoint : Checkpoint
        A network, trained or not.
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
        If the runtime, device or precision is not there, or does not take the network; if the
        clock is to be set and cannot be.
    ArgumentError
        If a size is no multiple of what the network takes.
    """
    predictor = _predictor(checkpoint, options)
    choice, network = predictor.choice, checkpoint.unchanged_network
    if options.set_clocks:
        check_clocks(choice.device)
    matrix_gflops = measure_matrix_rate(choice)
    parts = len(options.sizes) + len(options.set_clocks)
    described, clocks, operations = [], None, None
    for number, (height, width) in enumerate(options.sizes):

        def advance(share: float, number: int = number) -> None:
            if progress is not None:
                progress((number + share) / parts)

        macs = count_macs(network, height, width)
        runtime = _prepare(predictor, (height, width), options)
        described.append(measure_runs(runtime, macs, options, advance).describe(matrix_gflops))
        if number == 0:
            operations = longest_operations(runtime)
            if options.set_clocks:
                clocks = measure_at_clocks(runtime, macs, options, matrix_gflops)
        del runtime
    if progress is not None:
        progress(1.0)
    parameters = count_parameters(network)
    return {
        "name": checkpoint.name,
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
        "clocks": clocks and clocks["clocks"],
        "clock_sensitivity": clocks and clocks["sensitivity"],
        "operations": operations,
        "sizes": described,
    }


def run_once(checkpoint: Checkpoint, options: BenchOptions) -> None:
    """Run a network at the first size, for a profiler of NVIDIA's that looks at one run only.

    Parameters
    ----------
    checkpoint : Checkpoint
        A network, trained or not.
    options : BenchOptions
        Size, batch, and on what it runs.
    """
    predictor = _predictor(checkpoint, options)
    runtime = _prepare(predictor, options.sizes[0], options)
    pixels = noise_for(runtime)
    for _ in range(3):
        runtime.run(pixels)
    on_gpu = predictor.choice.device.startswith("cuda")
    with torch.cuda.profiler.profile() if on_gpu else nullcontext():
        runtime.run(pixels)


def _predictor(checkpoint: Checkpoint, options: BenchOptions) -> Predictor:
    choice = choose_runtime(options.runtime, options.device, options.precision, options.threads)
    return Predictor(checkpoint, choice)


def _prepare(predictor: Predictor, size: tuple[int, int], options: BenchOptions) -> TileRunner:
    return predictor.prepare_runtimes([size], options.batch, ("labels",))[size]


def measure_matrix_rate(choice: RuntimeChoice) -> float:
    """Return how fast PyTorch multiplies matrices here, in billions of operations a second.

    No network of convolutions goes far beyond it, so its share of this rate says how much a better
    runtime could still gain.

    Parameters
    ----------
    choice : RuntimeChoice
        Device, precision and threads.
    """
    # PyTorch has no product of bytes for all devices; beside int8 stands what fp32 reaches.
    kinds = {"fp16": torch.float16, "bf16": torch.bfloat16}
    device = torch.device(choice.device)
    threads = torch.get_num_threads()
    torch.set_num_threads(choice.threads)
    try:
        square = torch.rand(
            _MATRIX, _MATRIX, device=device, dtype=kinds.get(choice.precision, torch.float32)
        )
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
