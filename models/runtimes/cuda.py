"""NVIDIA's GPUs by PyTorch: one graph for a batch, and copies beside it.

A batch passes three streams: its pixels go up, the network runs, its labels come down.  There are
two sets of buffers, so that one batch is copied while the other is computed, and all of the host's
lie in pinned memory, without which the driver would copy them once more and wait.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wsiseg.error_translation import reason
from wsiseg.models.outputs import RawOutput
from wsiseg.models.runtimes.device_memory import is_out_of_memory
from wsiseg.models.runtimes.runtime import Bytes, Running

Capture = Literal["graph", "compile", "eager"]
"""How a GPU is told what to do: a CUDA graph of the network, or one of what ``torch.compile`` made
of it, or layer by layer."""

CAPTURE: Capture = "graph"
"""A graph needs no compiler, and is made within a second for every shape of tiles.  Which of the
three is fastest has not been measured yet (``benchmarks/on_gpu.py``)."""

_EAGER = 2
"""Batches that run layer by layer before a capture: pictures of many sizes never repay one."""

_WARM_UP = 3
"""Runs before a capture, in which cuDNN chooses its algorithms and asks for memory."""

Call = Callable[[], tuple[Tensor, ...]]


class TensorNetwork(Protocol):
    """What gives labels or probabilities for tiles on a GPU: a :class:`.TileNetwork`, an engine."""

    outputs: tuple[RawOutput, ...]

    def __call__(self, tiles: Tensor) -> Any:
        """Return a tensor for each of the outputs, for uint8 ``(B, H, W, 3)``."""


class CudaPipeline:
    """A network on a GPU, for batches of one shape.

    Parameters
    ----------
    network : TensorNetwork
        On the device.
    device : torch.device
        The GPU.
    shape : tuple of int
        ``(B, H, W, 3)`` of the largest batch.
    capture : {"graph", "compile", "eager"}
        How the GPU is told what to do; where that fails, layer by layer.
    fixed : bool
        Whether the network takes no smaller batches, which are then filled up.

    Attributes
    ----------
    note : str or None
        That it failed.
    """

    @torch.no_grad()
    def __init__(
        self,
        network: TensorNetwork,
        device: torch.device,
        shape: tuple[int, ...],
        capture: Capture = CAPTURE,
        *,
        fixed: bool = False,
    ) -> None:
        self.note: str | None = None
        self._network = network
        self._device = device
        self._capture = capture
        self._fixed = fixed
        self._streams = _streams(device)
        self._pixels = torch.zeros(shape, dtype=torch.uint8, device=device)
        # By the tiles of a batch: rows of tissue do not end with full ones.
        self._recorded: dict[int, Call] = {}
        self._seen: Counter[int] = Counter()
        torch.cuda.synchronize(device)
        with torch.cuda.stream(self._streams.compute), _exact_convolutions():
            outputs = network(self._pixels)
        self._slots = [
            _Slot(network.outputs, self._pixels, outputs, self._streams) for _ in range(2)
        ]
        torch.cuda.synchronize(device)

    @torch.no_grad()
    def start(self, tiles: Bytes) -> Running:
        """Start a batch; see :meth:`.TileRunner.start`.

        Parameters
        ----------
        tiles : ndarray
            uint8 ``(b, H, W, 3)``, `b` at most as many as the pipeline was made for.
        """
        given = len(tiles)
        count = len(self._pixels) if self._fixed else given
        self._seen[count] += 1
        if self._seen[count] == _EAGER + 1:
            self._record(count)
        # Of the two, the one that was started first.
        self._slots.reverse()
        slot = self._slots[0]
        slot.take()
        slot.fill(tiles)
        with torch.cuda.stream(self._streams.upload):
            slot.upload(given)
        with torch.cuda.stream(self._streams.compute):
            slot.uploaded.wait()
            self._pixels[:given].copy_(slot.pixels[:given])
            with _exact_convolutions():
                recorded = self._recorded.get(count)
                outputs = recorded() if recorded else self._network(self._pixels[:count])
            slot.keep(outputs, given)
        with torch.cuda.stream(self._streams.download):
            slot.computed.wait()
            slot.download(given)
        return slot.begin(given)

    def close(self) -> None:
        """Let go of the device's memory; batches that were started keep their results."""
        for slot in self._slots:
            slot.take()
        self._slots = []
        self._recorded = {}
        del self._pixels
        torch.cuda.empty_cache()

    def _record(self, count: int) -> None:
        """Replace the calls of all layers by a single one, for batches of so many tiles."""
        whole = count == len(self._pixels)
        # What is compiled takes too long to do it for every number.
        if self._capture == "eager" or self.note or (self._capture == "compile" and not whole):
            return
        pixels, stream = self._pixels[:count], self._streams.compute
        try:
            # Whatever happens, the stream of this thread is afterwards what it was before.
            with torch.cuda.stream(stream), _exact_convolutions(benchmark=True):
                if self._capture == "graph":
                    self._recorded[count] = _capture_graph(self._network, pixels, stream)
                else:
                    self._recorded[count] = _compile(self._network, pixels)
        except (RuntimeError, ImportError) as error:
            if is_out_of_memory(error):
                raise
            self.note = (
                f"the network runs layer by layer on {self._device}, which is slower: "
                f"{reason(error)}"
            )


class _Streams:
    """The streams of a GPU; all pipelines share them, as one batch at a time fills it."""

    def __init__(self, device: torch.device) -> None:
        self.upload = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.compute = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.download = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@functools.cache
def _streams(device: torch.device) -> _Streams:
    return _Streams(device)


class _Slot:
    """The buffers of one batch on its way."""

    def __init__(
        self,
        names: tuple[RawOutput, ...],
        pixels: Tensor,
        outputs: tuple[Tensor, ...],
        streams: _Streams,
    ) -> None:
        self._names = names
        self.pixels = torch.empty_like(pixels)
        self._host_pixels = _pinned(pixels)
        self._outputs = [torch.empty_like(each) for each in outputs]
        self._host_outputs = [_pinned(each) for each in outputs]
        self.uploaded = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self.computed = torch.cuda.Event()  # type: ignore[no-untyped-call]
        # Threads that decode need the processor meanwhile.
        self._downloaded = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        self._running: _InFlight | None = None

    def take(self) -> None:
        """Take the results of the batch before, if nobody has, so that they are not lost."""
        if self._running is not None:
            self._running.result()

    def fill(self, tiles: Bytes) -> None:
        self._host_pixels.numpy()[: len(tiles)] = tiles

    def upload(self, count: int) -> None:
        self.pixels[:count].copy_(self._host_pixels[:count], non_blocking=True)
        self.uploaded.record()

    def keep(self, outputs: tuple[Tensor, ...], count: int) -> None:
        """Copy results away from where the next batch's will be."""
        for mine, output in zip(self._outputs, outputs, strict=True):
            mine[:count].copy_(output[:count])
        self.computed.record()

    def download(self, count: int) -> None:
        for host, mine in zip(self._host_outputs, self._outputs, strict=True):
            host[:count].copy_(mine[:count], non_blocking=True)
        self._downloaded.record()

    def begin(self, count: int) -> Running:
        self._running = _InFlight(self, count)
        return self._running

    def results(self, count: int) -> dict[str, npt.NDArray[Any]]:
        """Wait for the batch, and return copies of its results."""
        self._downloaded.synchronize()
        self._running = None
        return {
            name: np.array(host.numpy()[:count])
            for name, host in zip(self._names, self._host_outputs, strict=True)
        }


class _InFlight(Running):
    """A batch that the GPU works on."""

    def __init__(self, slot: _Slot, count: int) -> None:
        self._slot = slot
        self._count = count
        self._found: dict[str, npt.NDArray[Any]] | None = None

    def result(self) -> dict[str, npt.NDArray[Any]]:
        if self._found is None:
            self._found = self._slot.results(self._count)
        return self._found


def _pinned(like: Tensor) -> Tensor:
    return torch.empty(like.shape, dtype=like.dtype, pin_memory=True)


def _exact_convolutions(*, benchmark: bool = False) -> AbstractContextManager[Any]:
    """Keep cuDNN from rounding fp32 to TF32, and let it try which algorithm is fastest."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=benchmark, allow_tf32=False)


def _capture_graph(network: TensorNetwork, pixels: Tensor, stream: torch.cuda.Stream) -> Call:
    """Record a network as a CUDA graph, which is replayed by a single call."""
    for _ in range(_WARM_UP):
        network(pixels)
    graph = torch.cuda.CUDAGraph()
    # The calls of other threads, a viewer's for instance, are not ours to forbid.
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        outputs: tuple[Tensor, ...] = network(pixels)

    def replay() -> tuple[Tensor, ...]:
        graph.replay()
        return outputs

    return replay


def _compile(network: TensorNetwork, pixels: Tensor) -> Call:
    """Compile a network; PyTorch records what it made as a CUDA graph."""
    compiled = torch.compile(network, mode="reduce-overhead", dynamic=False)

    def call() -> tuple[Tensor, ...]:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        outputs: tuple[Tensor, ...] = compiled(pixels)
        return outputs

    for _ in range(_WARM_UP):
        call()
    return call
