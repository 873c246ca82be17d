"""Runtimes agree with each other, and with themselves."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from golden import read_golden
from started import BOTH, Toy, assert_agreeing, needs, random_tiles, small, start
from wsiseg.errors import RuntimeUnavailableError, WsisegError
from wsiseg.models import create_model, import_checkpoint
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import IMAGENET, Normalisation
from wsiseg.models.outputs import Output
from wsiseg.models.runtimes import RUNTIMES, choose_runtime
from wsiseg.models.runtimes.kept_runtime import KeptRuntime, ReshapedRuntime
from wsiseg.models.tile_network import TileNetwork


def processor_computes_in(precision: str) -> bool:
    openvino = pytest.importorskip("openvino", reason="OpenVINO is an extra")
    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return precision.upper() in able


@pytest.fixture(params=list(RUNTIMES))
def runtime(request: pytest.FixtureRequest) -> str:
    needs(request.param)
    return str(request.param)


# Across runtimes.


def test_published_network_gives_the_same_on_openvino_as_on_torch(data: Path) -> None:
    golden = read_golden(data, "espnet_city_p2q3_ihc_256x512")
    checkpoint = import_checkpoint(data / "weights" / golden.meta["weights"], "espnet")
    network = TileNetwork(checkpoint.network, checkpoint.card.normalisation, BOTH).eval()
    pytest.importorskip("openvino", reason="OpenVINO is an extra")
    results = [
        choose_runtime(kind, "cpu", threads=2).compile(network, (256, 512), 1).run(golden.rgb[None])
        for kind in ("torch", "openvino")
    ]
    assert_agreeing(*results)
    for result in results:
        assert (result["labels"][0] == golden.argmax).mean() >= 0.9999


# Each runtime.


@pytest.mark.parametrize(
    "runtime", [name for name, kind in RUNTIMES.items() if issubclass(kind, KeptRuntime)]
)
def test_what_is_dumped_comes_back_bit_for_bit(runtime: str) -> None:
    needs(runtime)
    network, tiles = Toy(3).eval(), random_tiles(2, 32, 48)
    made = start(runtime, network, (32, 48), 2)
    content = made.dump()
    found = made.run(tiles)
    again = type(made).restore(content, made.outputs, made.settings).run(tiles)
    assert all(np.array_equal(again[name], found[name]) for name in BOTH)
    if not isinstance(made, ReshapedRuntime):
        return
    other = replace(made.settings, batch=1, tile=(64, 32))
    higher = type(made).from_graph(made.graph(), made.outputs, other).run(random_tiles(1, 64, 32))
    wanted = start(runtime, network, (64, 32), 1).run(random_tiles(1, 64, 32))
    assert all(np.array_equal(higher[name], wanted[name]) for name in BOTH)


def test_outputs_are_bytes_of_the_promised_shapes(runtime: str) -> None:
    held = start(runtime, small(), (40, 96), 3)
    assert held.name == runtime
    assert (held.settings.tile, held.settings.batch, held.settings.threads) == ((40, 96), 3, 2)
    assert (held.settings.device, held.settings.precision) == ("cpu", "fp32")
    result = held.run(random_tiles(3, 40, 96))
    assert list(result) == ["labels", "probabilities"]
    assert result["labels"].shape == (3, 40, 96)
    assert result["probabilities"].shape == (3, 6, 40, 96)
    assert {value.dtype for value in result.values()} == {np.dtype(np.uint8)}
    assert result["labels"].max() < 6
    winners = np.take_along_axis(result["probabilities"], result["labels"][:, None], axis=1)
    assert (winners[:, 0] == result["probabilities"].max(axis=1)).all()
    total = result["probabilities"].sum(axis=1, dtype=int)
    assert np.abs(total - 255).max() <= 3


@pytest.mark.parametrize("outputs", [("labels",), ("probabilities",), ("probabilities", "labels")])
def test_only_what_is_asked_for_is_given(runtime: str, outputs: tuple[Output, ...]) -> None:
    torch.manual_seed(1)
    toy = Toy(4).eval()
    tiles = random_tiles(1, 24, 16)
    held = start(runtime, toy, (24, 16), 1, outputs)
    result = held.run(tiles)
    everything = start("torch", toy, (24, 16), 1).run(tiles)
    assert held.outputs == outputs
    assert tuple(result) == outputs
    for name, value in result.items():
        assert value.shape == everything[name].shape
        assert np.abs(value.astype(int) - everything[name].astype(int)).max() <= 1


def test_later_batches_leave_earlier_results_alone(runtime: str) -> None:
    held = start(runtime, Toy(5).eval(), (16, 24), 1)
    dark, bright = np.zeros((1, 16, 24, 3), np.uint8), np.full((1, 16, 24, 3), 255, np.uint8)
    first = held.run(dark)
    kept = {name: value.copy() for name, value in first.items()}
    second = held.run(bright)
    again = held.run(dark)
    assert not np.array_equal(second["probabilities"], first["probabilities"])
    for name, value in kept.items():
        assert np.array_equal(first[name], value)
        assert np.array_equal(again[name], value)


def test_tiles_are_not_written_to(runtime: str) -> None:
    tiles = random_tiles(1, 16, 16)
    before = tiles.copy()
    start(runtime, Toy(3).eval(), (16, 16), 1).run(tiles)
    assert np.array_equal(tiles, before)


def test_tiles_may_be_read_only(runtime: str) -> None:
    held = start(runtime, Toy(3).eval(), (16, 16), 1)
    tiles = random_tiles(1, 16, 16)
    tiles.flags.writeable = False
    result = held.run(tiles)
    expected = held.run(tiles.copy())
    assert np.array_equal(result["labels"], expected["labels"])


def test_first_of_equal_classes_wins(runtime: str) -> None:
    toy = Toy(5).eval()
    nn.init.zeros_(toy.head.weight)
    toy.head.bias.data = torch.tensor([0.0, 1.0, 1.0, -1.0, 1.0])
    result = start(runtime, toy, (16, 16), 1).run(random_tiles(1, 16, 16))
    assert (result["labels"] == 1).all()


@pytest.mark.parametrize("name", [pytest.param("espnet", marks=pytest.mark.long), "espnet-c"])
def test_tiles_that_do_not_fit_the_input_multiple_are_padded_or_refused(
    runtime: str, name: str
) -> None:
    network = small(name=name)
    tiles = random_tiles(1, 36, 44)
    expected = TileNetwork(network, IMAGENET, BOTH)
    with torch.no_grad():
        labels, probabilities = expected(torch.from_numpy(tiles))
    refused: WsisegError | None = None
    try:
        result = start(runtime, network, (36, 44), 1).run(tiles)
    except WsisegError as error:
        refused = error
    if refused is not None:
        assert "multiple" in str(refused)
    else:
        assert_agreeing(result, {"labels": labels.numpy(), "probabilities": probabilities.numpy()})


def test_tile_gives_the_same_bytes_in_any_batch_and_at_any_place(runtime: str) -> None:
    network = small()
    tiles = random_tiles(3, 48, 64)
    three = start(runtime, network, (48, 64), 3)
    together, turned = three.run(tiles), three.run(np.ascontiguousarray(tiles[::-1]))
    one = start(runtime, network, (48, 64), 1)
    alone = [one.run(tile[None]) for tile in tiles]
    for name in BOTH:
        apart = np.concatenate([result[name] for result in alone])
        assert np.array_equal(together[name], apart)
        assert np.array_equal(together[name], turned[name][::-1])


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_narrow_numbers_give_nearly_the_same_or_are_refused(
    data: Path, runtime: str, precision: str
) -> None:
    golden = read_golden(data, "espnet_city_p2q3_ihc_256x512")
    checkpoint = import_checkpoint(data / "weights" / golden.meta["weights"], "espnet")
    network = TileNetwork(checkpoint.network, checkpoint.card.normalisation, BOTH).eval()
    tile = np.ascontiguousarray(golden.rgb[None, :96, :128])
    exact = choose_runtime("torch", "cpu", threads=2).compile(network, (96, 128), 1).run(tile)
    choice = choose_runtime(runtime, "cpu", precision, threads=2)
    if runtime == "onnx" or (runtime == "openvino" and not processor_computes_in(precision)):
        with pytest.raises(RuntimeUnavailableError, match=precision):
            choice.compile(network, (96, 128), 1)
        return
    result = choice.compile(network, (96, 128), 1).run(tile)
    assert result["labels"].dtype == np.uint8
    assert (result["labels"] == exact["labels"]).mean() > 0.95


def test_precision_that_the_processor_would_emulate_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is an extra")

    class Old:
        def get_property(self, *_: object) -> list[str]:
            return ["FP32", "INT8"]

    monkeypatch.setattr("wsiseg.models.runtimes.openvino.openvino_core", Old)
    for precision in ("fp16", "bf16"):
        with pytest.raises(RuntimeUnavailableError) as caught:
            start("openvino", Toy(2).eval(), (16, 16), 1, precision=precision)
        assert precision in str(caught.value)
        assert caught.value.hint == "Use `precision=fp32`."


SIGNALLED = """
import gc, os, signal, sys, threading
sys.path.insert(0, sys.argv[1])
import tiny
from wsiseg.models.runtimes import choose_runtime
from wsiseg.models.tile_network import TileNetwork

handled = []
signal.signal(signal.SIGUSR1, lambda number, frame: handled.append(number))
checkpoint = tiny.tiny_checkpoint()
network = TileNetwork(checkpoint.network, checkpoint.card.normalisation, ("labels",)).eval()
held = [choose_runtime("openvino", "cpu", "fp32", threads=1).compile(network, (64, 64), 1)]
dropping = threading.Thread(target=lambda: (held.clear(), gc.collect()))
dropping.start()
dropping.join()
os.kill(os.getpid(), signal.SIGUSR1)
assert handled == [signal.SIGUSR1]
"""


def test_signals_are_still_handled_once_another_thread_has_dropped_openvino() -> None:
    """Its plug-in would leave an unmapped signal stack behind."""
    pytest.importorskip("openvino", reason="OpenVINO is an extra")
    here = Path(__file__).resolve().parents[2]
    run = subprocess.run(
        [sys.executable, "-c", SIGNALLED, str(here)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


class Overflowing(SegmentationNetwork):
    """The three channels, so large that those above 170 are infinite."""

    input_multiple = 1

    def __init__(self) -> None:
        super().__init__(3)

    def dense(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2e36


@pytest.mark.parametrize(
    ("runtime", "precision"),
    [
        *(("torch", precision) for precision in ("fp32", "bf16")),
        *(("openvino", precision) for precision in ("fp32", "bf16")),
        ("onnx", "fp32"),
    ],
)
def test_every_pixel_without_numbers_is_255_wherever_they_are_missing(
    runtime: str, precision: str
) -> None:
    if runtime == "openvino" and precision == "bf16" and not processor_computes_in("bf16"):
        pytest.skip(
            "OpenVINO computes in bf16 only where the processor does, and this one does not"
        )
    plain = Normalisation(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), divide_first=1.0)
    tile = np.random.default_rng(3).integers(0, 100, (1, 32, 64, 3), np.uint8)
    bad = np.random.default_rng(4).random((1, 32, 64, 3)) < 0.1
    tile[bad] = 255
    outputs: tuple[Output, ...] = BOTH
    needs(runtime)
    found = (
        choose_runtime(runtime, "cpu", precision)
        .compile(TileNetwork(Overflowing(), plain, outputs).eval(), (32, 64), 1)
        .run(tile)
    )
    lost = bad.any(axis=-1)
    np.testing.assert_array_equal(found["labels"] == 255, lost)
    np.testing.assert_array_equal(~found["probabilities"].any(axis=1), lost)
    expected = tile.argmax(axis=-1)[~lost]
    assert precision == "bf16" or (found["labels"][~lost] == expected).all()


@pytest.mark.parametrize(("name", "bad"), [("espnet", np.nan), ("enet", np.nan), ("enet", np.inf)])
@pytest.mark.parametrize(
    "runtime", ["torch", "openvino", pytest.param("onnx", marks=pytest.mark.long)]
)
def test_a_bad_weight_in_the_first_layer_reaches_the_labels_on_every_runtime(
    runtime: str, name: str, bad: float
) -> None:
    # OpenVINO's ReLU and maximum turn NaN into numbers.
    torch.manual_seed(0)
    network = create_model(name, 3).eval()
    kernels = (p for p in network.parameters() if p.dim() == 4)
    with torch.no_grad():
        next(kernels).view(-1)[0] = bad
    found = start(runtime, network, (64, 64), 1).run(random_tiles(1, 64, 64))
    assert (found["labels"] == 255).all()
    assert not found["probabilities"].any()


def test_a_batch_that_is_interrupted_is_given_up_and_the_next_one_is_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs("openvino")
    runtime = start("openvino", small(), (256, 256), 1, ("labels",))
    tiles = random_tiles(1, 256, 256)
    expected = runtime.run(tiles)["labels"]
    request = runtime._request

    class Interrupted:
        """Hears a signal while the batch is computed."""

        def __getattr__(self, name: str) -> object:
            return getattr(request, name)

        def wait_for(self, milliseconds: int) -> bool:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runtime, "_request", Interrupted())
        with pytest.raises(KeyboardInterrupt):
            runtime.run(random_tiles(1, 256, 256) ^ 255)
    with pytest.raises(RuntimeError, match="canceled"):
        request.wait()
    np.testing.assert_array_equal(runtime.run(tiles)["labels"], expected)
