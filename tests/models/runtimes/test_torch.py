"""PyTorch as the runtime: 16 bits, memory that runs out, networks that a GPU can record."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lively import lively
from wsiseg.classes import numbered_classes
from wsiseg.errors import RuntimeUnavailableError
from wsiseg.models import create_model, list_architectures
from wsiseg.models.checkpoint import Checkpoint, CheckpointCard, ClassEntry
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import IMAGENET, Normalisation
from wsiseg.models.outputs import RawOutput
from wsiseg.models.runtimes import Predictor, RuntimeChoice, RuntimeSettings
from wsiseg.models.runtimes.narrowing import fits_fp16, narrow
from wsiseg.models.runtimes.runtime import Precision
from wsiseg.models.runtimes.torch import TorchRuntime
from wsiseg.models.tile_network import TileNetwork

EVERYTHING: tuple[RawOutput, ...] = ("labels", "probabilities", "shares")
MEASURED = ("espnet", "espnetv2", "enet", "erfnet", "rdrnet-s")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (*shape, 3), np.uint8)


def runtime(network: nn.Module, batch: int, precision: Precision = "fp32") -> TorchRuntime:
    return TorchRuntime(network, RuntimeSettings(batch, (32, 48), "cpu", precision, 1))


class Greedy(TileNetwork):
    """Has no memory for more than some tiles at a time."""

    def __init__(self, most: int, complaint: Exception) -> None:
        torch.manual_seed(0)
        super().__init__(lively("espnet-c", 3), IMAGENET, ("labels", "probabilities"))
        self.most = most
        self.complaint = complaint
        self.asked: list[int] = []

    def forward(self, tiles: Tensor) -> tuple[Tensor, ...]:
        self.asked.append(len(tiles))
        if len(tiles) > self.most:
            raise self.complaint
        return super().forward(tiles)


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    RuntimeError("MPS backend out of memory (MPS allocated: 18 GB)"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
]


@pytest.mark.parametrize("complaint", OUT_OF_MEMORY)
def test_a_batch_that_memory_does_not_hold_is_computed_in_parts(complaint: Exception) -> None:
    tiles = noise(5, 32, 48)
    plain = runtime(Greedy(5, complaint), 5)
    expected = plain.run(tiles)
    assert plain.notes == ()
    greedy = Greedy(2, complaint)
    held = runtime(greedy, 5)
    for _ in range(2):
        found = held.run(tiles)
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)
    # Half of five, half of three; the second time it knows.
    assert greedy.asked == [5, 3, 2, 2, 1, 2, 2, 1]
    assert held.notes == (
        "the memory of cpu does not hold batches of 5 tiles; 2 at a time were computed",
    )


def test_a_tile_that_memory_does_not_hold_is_an_error() -> None:
    greedy = Greedy(0, OUT_OF_MEMORY[0])
    with pytest.raises(torch.OutOfMemoryError):
        runtime(greedy, 4).run(noise(4, 32, 48))
    assert greedy.asked == [4, 2, 1]


def test_other_failures_are_not_taken_for_a_lack_of_memory() -> None:
    greedy = Greedy(1, RuntimeError("an illegal memory access was encountered"))
    with pytest.raises(RuntimeError, match="illegal memory access"):
        runtime(greedy, 4).run(noise(4, 32, 48))
    assert greedy.asked == [4]


def test_a_batch_on_its_way_is_not_lost_when_the_next_one_does_not_fit() -> None:
    greedy = Greedy(4, OUT_OF_MEMORY[0])
    held = runtime(greedy, 4)
    tiles = noise(4, 32, 48)
    first = held.start(tiles)
    greedy.most = 1
    second = held.start(tiles)
    for name, value in first.result().items():
        np.testing.assert_array_equal(second.result()[name], value)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_weights_are_converted_once_and_give_what_autocast_gives(precision: Precision) -> None:
    network = TileNetwork(lively("espnet", 4), IMAGENET, ("labels", "shares")).eval()
    tiles = noise(2, 32, 48)
    found = runtime(network, 2, precision).run(tiles)
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    with torch.inference_mode(), torch.autocast("cpu", dtype=dtype):
        labels, shares = (each.numpy() for each in network(torch.from_numpy(tiles)))
    coarse = 2e-3 if precision == "fp16" else 2e-2
    assert np.abs(found["shares"] - shares).max() < coarse
    assert (found["labels"] == labels).mean() > (0.995 if precision == "fp16" else 0.97)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_narrow_networks_keep_their_batch_norms_and_are_laid_out_by_pixels() -> None:
    network = TileNetwork(lively("espnet", 4), IMAGENET).eval()
    made = runtime(network, 1, "bf16")._network.network
    kinds: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    for module in made.modules():
        for parameter in module.parameters(recurse=False):
            kinds[isinstance(module, nn.BatchNorm2d)].add(parameter.dtype)
            assert parameter.dim() != 4 or parameter.is_contiguous(
                memory_format=torch.channels_last
            )
    assert kinds == {True: {torch.float32}, False: {torch.bfloat16}}


class Squashed(SegmentationNetwork):
    """Overflows in 16 bits before a sigmoid that hides it."""

    input_multiple = 1

    def __init__(self, gain: float) -> None:
        super().__init__(3)
        self.wide = nn.Conv2d(3, 3, 1)
        self.squash = nn.Sigmoid()
        nn.init.constant_(self.wide.weight, gain)

    def dense(self, x: Tensor) -> Tensor:
        squashed: Tensor = self.squash(self.wide(x))
        return squashed


@pytest.mark.parametrize(("gain", "precision"), [(100.0, "fp16"), (5e4, "bf16")])
def test_a_network_that_overflows_in_fp16_is_computed_in_bf16(gain: float, precision: str) -> None:
    network = Squashed(gain)
    assert fits_fp16(TileNetwork(network, IMAGENET).eval(), "cpu") == (precision == "fp16")
    entries = tuple(ClassEntry(name=c.name, colour=c.colour) for c in numbered_classes(3))
    checkpoint = Checkpoint(CheckpointCard(architecture="espnet", classes=entries), network.eval())
    for adaptable in (True, False):
        choice = RuntimeChoice("torch", "cpu", "fp16", 1, adaptable)
        held = Predictor(checkpoint, choice)
        expected = precision if adaptable else "fp16"
        assert held.choice.precision == expected
        assert bool(held.notes) == (expected != "fp16")
        runners = held.prepare_runtimes([(16, 16)], 1, ("labels",))
        assert runners[16, 16].settings.precision == expected


def test_weights_that_are_too_large_are_told_where_fp16_is_asked_for() -> None:
    network = TileNetwork(Squashed(1e5), IMAGENET).eval()
    with pytest.raises(RuntimeUnavailableError, match="too large for fp16") as caught:
        runtime(network, 1, "fp16")
    assert caught.value.hint == "Use `precision=bf16` or `precision=fp32`."
    assert not fits_fp16(network, "cpu")
    runtime(network, 1, "bf16")


class Strangers(TorchDispatchMode):
    """Collects what works on tensors of a processor while a network runs on another device."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, result)):
            if isinstance(leaf, Tensor) and leaf.device.type != "meta":
                self.found.add(str(func))
        return result


class Lists(TorchFunctionMode):
    """Collects what makes tensors of numbers, which go to the device each time."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        indices = args[1] if func is Tensor.__getitem__ else ()
        each = indices if isinstance(indices, tuple) else (indices,)
        if func in (torch.tensor, torch.as_tensor, torch.from_numpy) or any(
            isinstance(index, (list, np.ndarray)) for index in each
        ):
            self.found.add(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(each.name, marks=[] if each.name in MEASURED else pytest.mark.long)
        for each in list_architectures()
        if each.family != "tests"
    ],
)
def test_networks_can_be_recorded_as_a_graph_in_16_bits(name: str) -> None:
    """Nothing is copied to the device, no number is waited for, and no format is mixed.

    A CUDA graph allows none of the first two; PyTorch's device without memory shows all three.
    """
    with torch.device("meta"):
        network = create_model(name, 5)
    card = Normalisation(order="BGR")
    whole = narrow(TileNetwork(network, card, EVERYTHING).eval(), torch.float16).to("meta")
    pixels = torch.empty((2, 64, 128, 3), dtype=torch.uint8, device="meta")
    with Lists() as lists, Strangers() as strangers, torch.inference_mode():
        outputs = whole(pixels)
    assert (strangers.found, lists.found) == (set(), set())
    assert [(tuple(each.shape), each.dtype) for each in outputs] == [
        ((2, 64, 128), torch.uint8),
        ((2, 5, 64, 128), torch.uint8),
        ((2, 5, 64, 128), torch.float32),
    ]


def test_what_no_graph_can_record_would_be_noticed() -> None:
    pixels = torch.empty((2, 3), device="meta")
    with Lists() as lists, Strangers() as strangers:
        pixels[..., [2, 1, 0]]
        pixels[..., torch.arange(3)]
    assert lists.found
    assert strangers.found
