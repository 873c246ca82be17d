"""Which buffers a batch on a GPU goes through, and when; on a processor in the GPU's place.

Streams and events do nothing here, as a processor does everything at once.  What only a GPU can
show, ``benchmarks/on_gpu.py`` does.
"""

from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lively import lively
from wsiseg.models.normalisation import IMAGENET
from wsiseg.models.runtimes import cuda
from wsiseg.models.runtimes.cuda import Capture, CudaPipeline
from wsiseg.models.tile_network import TileNetwork

SHAPE = (3, 32, 48, 3)


class Still:
    """A stream or an event."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def record(self) -> None:
        pass

    wait = synchronize = record


@pytest.fixture
def network() -> TileNetwork:
    return TileNetwork(lively("espnet-c", 3), IMAGENET, ("labels", "probabilities")).eval()


@pytest.fixture
def pipeline(
    monkeypatch: pytest.MonkeyPatch, network: TileNetwork
) -> Callable[[Capture], CudaPipeline]:
    still = SimpleNamespace(upload=Still(), compute=Still(), download=Still())
    monkeypatch.setattr(cuda, "_streams", lambda _: still)
    monkeypatch.setattr(cuda, "_pinned", torch.empty_like)
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr(torch.cuda, "Event", Still)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: None)
    return lambda capture: CudaPipeline(network, torch.device("cpu"), SHAPE, capture)


def tiles(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *SHAPE[1:]), np.uint8)


def assert_results(network: TileNetwork, given: np.ndarray, found: dict[str, Any]) -> None:
    with torch.inference_mode():
        wanted = network(torch.from_numpy(given))
    assert list(found) == list(network.outputs)
    for name, value in zip(network.outputs, wanted, strict=True):
        np.testing.assert_array_equal(found[name], value.numpy())


def test_every_batch_has_its_own_results_however_many_are_on_their_way(
    pipeline: Callable[[Capture], CudaPipeline],
    network: TileNetwork,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded: list[int] = []

    def record(network: TileNetwork, pixels: torch.Tensor, _: object) -> cuda.Call:
        recorded.append(len(pixels))
        return lambda: network(pixels)

    monkeypatch.setattr(cuda, "_capture_graph", record)
    held = pipeline("graph")
    # More than there are buffers, some of them not full, and none taken before all are begun.
    batches = [tiles(count, seed) for seed, count in enumerate((3, 1, 2, 3, 2, 3, 3, 2, 2, 1))]
    running = []
    for batch in batches:
        given = batch.copy()
        running.append(held.start(given))
        given[:] = 0
    for batch, each in reversed(list(zip(batches, running, strict=True))):
        assert_results(network, batch, each.result())
        assert each.result() is each.result()
    assert held.note is None
    # One graph for every number of tiles that came three times.
    assert recorded == [3, 2]


def test_batches_are_filled_up_for_what_takes_no_smaller_ones(
    pipeline: Callable[[Capture], CudaPipeline], network: TileNetwork
) -> None:
    seen: list[int] = []

    class Whole:
        outputs = network.outputs

        def __call__(self, tiles: torch.Tensor) -> tuple[torch.Tensor, ...]:
            seen.append(len(tiles))
            given: tuple[torch.Tensor, ...] = network(tiles)
            return given

    pipeline("eager")
    held = CudaPipeline(Whole(), torch.device("cpu"), SHAPE, "eager", fixed=True)
    for count in (3, 1, 2):
        batch = tiles(count, count)
        assert_results(network, batch, held.start(batch).result())
    assert set(seen) == {3}


def test_batches_on_their_way_keep_their_results_when_memory_is_let_go(
    pipeline: Callable[[Capture], CudaPipeline], network: TileNetwork
) -> None:
    held = pipeline("eager")
    batches = [tiles(3, seed) for seed in range(2)]
    running = [held.start(batch) for batch in batches]
    held.close()
    for batch, each in zip(batches, running, strict=True):
        assert_results(network, batch, each.result())


def test_a_network_is_recorded_once_it_has_run_a_few_times(
    pipeline: Callable[[Capture], CudaPipeline],
    network: TileNetwork,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def record(name: str) -> Callable[..., Any]:
        def make(network: TileNetwork, pixels: torch.Tensor, *_: object) -> cuda.Call:
            asked.append(name)
            return lambda: network(pixels)

        return make

    monkeypatch.setattr(cuda, "_capture_graph", record("graph"))
    monkeypatch.setattr(cuda, "_compile", record("compile"))
    for capture, expected in (("graph", ["graph"]), ("compile", ["compile"]), ("eager", [])):
        asked.clear()
        held = pipeline(capture)
        for seed in range(5):
            batch = tiles(3, seed)
            assert_results(network, batch, held.start(batch).result())
            # Pictures of many sizes never repay it.
            assert asked == (expected if seed >= 2 else [])
        assert held.note is None


def test_a_network_that_cannot_be_recorded_runs_layer_by_layer_and_says_so(
    pipeline: Callable[[Capture], CudaPipeline],
    network: TileNetwork,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries: list[int] = []

    def refuse(*_: object) -> None:
        tries.append(1)
        raise RuntimeError("operation not permitted when stream is capturing\nCompile with …")

    monkeypatch.setattr(cuda, "_capture_graph", refuse)
    held = pipeline("graph")
    for seed in range(5):
        batch = tiles(3, seed)
        assert_results(network, batch, held.start(batch).result())
    assert len(tries) == 1
    assert held.note == (
        "the network runs layer by layer on cpu, which is slower: "
        "operation not permitted when stream is capturing Compile with …"
    )


def test_memory_that_runs_out_in_a_recording_is_told_as_such(
    pipeline: Callable[[Capture], CudaPipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object) -> None:
        try:
            raise torch.OutOfMemoryError("CUDA out of memory")
        finally:
            raise RuntimeError("the capture was ended before its time")

    monkeypatch.setattr(cuda, "_capture_graph", fill)
    held = pipeline("graph")
    for _ in range(2):
        held.start(tiles(3, 0))
    with pytest.raises(RuntimeError) as caught:
        held.start(tiles(3, 0))
    assert cuda.is_out_of_memory(caught.value)
    assert held.note is None
