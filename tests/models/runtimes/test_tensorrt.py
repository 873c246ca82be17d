"""TensorRT: what it is given, and what is told when it does not do.

Neither the library nor a GPU was at hand.  In its place stands what takes the same calls, and runs
the file that it is given by ONNX Runtime on the processor.
"""

import ctypes
import sys
from contextlib import nullcontext
from enum import IntEnum
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lively import lively
from tiny import tiny_checkpoint
from wsiseg.demo.tissue import tissue_tiles
from wsiseg.errors import RuntimeUnavailableError
from wsiseg.models import list_architectures
from wsiseg.models.normalisation import Normalisation
from wsiseg.models.runtimes import RuntimeSettings, choose_runtime, cuda, tensorrt
from wsiseg.models.runtimes.runtime import Precision
from wsiseg.models.runtimes.tensorrt import TensorRtRuntime, as_onnx
from wsiseg.models.tile_network import TileNetwork

onnx = pytest.importorskip("onnx", reason="ONNX Runtime is an extra")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is an extra")

BYTES = onnx.TensorProto.UINT8
SETTINGS = RuntimeSettings(1, (64, 64), "cpu", "fp32", 1)


def segmenter(name: str) -> TileNetwork:
    order = Normalisation(order="BGR")
    return TileNetwork(lively(name, 4), order, ("labels", "probabilities")).eval()


def tiny() -> TileNetwork:
    checkpoint = tiny_checkpoint(4)
    order = Normalisation(order="BGR")
    return TileNetwork(checkpoint.network, order, ("labels", "probabilities")).eval()


class Severity(IntEnum):
    INTERNAL_ERROR, ERROR, WARNING = range(3)


class FakeLibrary(ModuleType):
    """Answers like TensorRT 10 as far as it is asked."""

    __version__ = "10.14.1"
    ILogger = type("ILogger", (), {"Severity": Severity})
    NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
    BuilderFlag = SimpleNamespace(TF32="TF32", STRICT_NANS="STRICT_NANS")

    def __init__(self) -> None:
        super().__init__("tensorrt")
        self.__spec__ = ModuleSpec("tensorrt", None)
        self.flags = {"TF32"}
        self.made_with: list[int] = []
        self.refusing: str | None = None

    def Builder(self, logger: Any) -> Any:  # noqa: N802
        def create_network(flags: int) -> Any:
            self.made_with.append(flags)
            return SimpleNamespace(model=b"")

        def build(network: Any, config: Any) -> Any:
            if self.refusing == "build":
                logger.log(Severity.WARNING, "a remark")
                logger.log(Severity.ERROR, "[graph.cpp]\n no tactic\tfound")
                return None
            return memoryview(network.model)

        config = SimpleNamespace(clear_flag=self.flags.discard, set_flag=self.flags.add)
        return SimpleNamespace(
            create_network=create_network,
            create_builder_config=lambda: config,
            build_serialized_network=build,
        )

    def OnnxParser(self, network: Any, logger: Any) -> Any:  # noqa: N802
        def parse(model: bytes) -> bool:
            network.model = model
            return self.refusing != "parse"

        error = SimpleNamespace(desc=lambda: "No importer registered for op: Wave")
        return SimpleNamespace(parse=parse, num_errors=1, get_error=lambda _: error)

    def Runtime(self, logger: Any) -> Any:  # noqa: N802
        def deserialise(content: bytes) -> Any:
            if self.refusing == "engine":
                logger.log(Severity.ERROR, "the version tag does not match")
                return None
            return FakeEngine(content)

        return SimpleNamespace(deserialize_cuda_engine=deserialise)


class FakeEngine:
    def __init__(self, content: bytes) -> None:
        self.session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        self.places: dict[str, int] = {}
        (given,) = self.session.get_inputs()
        self.shapes = {each.name: each.shape for each in (given, *self.session.get_outputs())}

    def get_tensor_shape(self, name: str) -> list[int]:
        return self.shapes[name]

    def create_execution_context(self) -> Any:
        return self

    def set_tensor_address(self, name: str, place: int) -> bool:
        self.places[name] = place
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        shape = self.shapes["tiles"]
        given = np.ctypeslib.as_array(
            ctypes.cast(self.places["tiles"], ctypes.POINTER(ctypes.c_uint8)), shape
        )
        names = [each.name for each in self.session.get_outputs()]
        for name, value in zip(names, self.session.run(names, {"tiles": given}), strict=True):
            ctypes.memmove(self.places[name], np.ascontiguousarray(value).ctypes.data, value.nbytes)
        return True


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeLibrary:
    """Put the fake in the library's place, and a processor in the GPU's."""
    fake = FakeLibrary()
    monkeypatch.setitem(sys.modules, "tensorrt", fake)
    tensorrt._logger.cache_clear()
    monkeypatch.setattr(tensorrt, "_current", nullcontext)
    monkeypatch.setattr(tensorrt, "_stream_handle", lambda: 0)

    class OnProcessor:
        """What the pipeline does to a batch, without its streams."""

        def __init__(
            self, engine: Any, device: Any, shape: tuple[int, ...], capture: str, *, fixed: bool
        ) -> None:
            assert (device.type, capture, fixed) == ("cpu", "eager", True)
            self.engine, self.shape = engine, shape

        def start(self, tiles: np.ndarray) -> Any:
            assert tiles.shape == self.shape
            results = self.engine(torch.from_numpy(tiles))
            found = dict(zip(self.engine.outputs, (r.numpy().copy() for r in results), strict=True))
            return SimpleNamespace(result=lambda: found)

    monkeypatch.setattr(cuda, "CudaPipeline", OnProcessor)
    yield fake
    tensorrt._logger.cache_clear()


def assert_labels_agree(network: TileNetwork, found: dict[str, np.ndarray], tiles: Any) -> None:
    with torch.inference_mode():
        labels, probabilities = (each.numpy() for each in network(torch.from_numpy(tiles)))
    assert (found["labels"] == labels).mean() >= 0.999
    assert np.abs(found["probabilities"].astype(int) - probabilities).max() <= 1


def test_an_engine_gives_what_the_network_gives_and_can_be_kept(library: FakeLibrary) -> None:
    network, tiles = tiny(), tissue_tiles(64)
    made = TensorRtRuntime(network, SETTINGS)
    assert_labels_agree(network, made.run(tiles), tiles)
    # Formats as in the graph, fp32 not rounded to TF32, numbers that are none not passed over.
    assert library.made_with == [1 << 1]
    assert library.flags == {"STRICT_NANS"}
    content = made.dump()
    again = TensorRtRuntime.restore(content, network.outputs, SETTINGS)
    assert library.made_with == [2]
    assert_labels_agree(network, again.run(tiles), tiles)
    assert again.batches_ahead == 1


def test_engines_are_kept_for_one_gpu_and_one_version(
    library: FakeLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = {"cuda:0": ("NVIDIA A10", 8, 6), "cuda:1": ("NVIDIA H200", 9, 0)}

    def describe(device: str) -> SimpleNamespace:
        return SimpleNamespace(**dict(zip(("name", "major", "minor"), gpus[device], strict=True)))

    monkeypatch.setattr(torch.cuda, "get_device_properties", describe)
    for device, expected in gpus.items():
        settings = RuntimeSettings(1, (64, 64), device, "fp32", 1)
        assert TensorRtRuntime.hardware(settings) == list(expected)
    assert TensorRtRuntime.versions()["tensorrt"] == "10.14.1"


@pytest.mark.parametrize(
    ("refusing", "said"),
    [
        ("parse", "TensorRT does not take the network: No importer registered for op: Wave."),
        ("build", "TensorRT cannot build an engine: [graph.cpp] no tactic found."),
        ("engine", "TensorRT does not take its engine: the version tag does not match."),
    ],
)
def test_what_fails_is_told_in_one_line(
    library: FakeLibrary, monkeypatch: pytest.MonkeyPatch, refusing: str, said: str
) -> None:
    library.refusing = refusing
    monkeypatch.setattr(tensorrt, "as_onnx", lambda *_: b"a network")
    with pytest.raises(RuntimeUnavailableError) as caught:
        TensorRtRuntime(tiny(), SETTINGS)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_formats_that_it_is_not_given_are_refused() -> None:
    settings = RuntimeSettings(1, (64, 64), "cuda:0", "bf16", 1)
    with pytest.raises(RuntimeUnavailableError, match="in fp32 or fp16 by TensorRT"):
        as_onnx(tiny(), settings)


def test_where_it_is_not_installed_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(RuntimeUnavailableError) as caught:
        choose_runtime("tensorrt")
    assert str(caught.value) == (
        "tensorrt is not installed (`runtime`). Run: pip install 'wsiseg[tensorrt]'."
    )


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        pytest.param(each.name, precision, marks=pytest.mark.long)
        for each in list_architectures()
        if each.family != "tests"
        for precision in ("fp32", "fp16")
    ],
)
def test_bytes_only_come_in_and_go_out(name: str, precision: Precision) -> None:
    assert_typed_for_tensorrt(segmenter(name), precision)


def test_bytes_only_come_in_and_go_out_of_a_small_network() -> None:
    assert_typed_for_tensorrt(tiny(), "fp16")


def assert_typed_for_tensorrt(network: TileNetwork, precision: Precision) -> None:
    """Check what TensorRT wants of 8-bit numbers, and that it is given the format that is asked.

    They are taken where they are made wide at once, or were wide the moment before.
    """
    settings = RuntimeSettings(1, (64, 128), "cuda:0", precision, 1)
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(as_onnx(network, settings)))
    graph = model.graph
    outputs = {each.name for each in graph.output}
    kinds = {each.name: each.type.tensor_type.elem_type for each in graph.value_info}
    kinds |= {each.name: each.type.tensor_type.elem_type for each in (*graph.input, *graph.output)}
    assert {name for name, kind in kinds.items() if kind == BYTES} == {"tiles", *outputs}
    assert not [each.name for each in graph.initializer if each.data_type == BYTES]
    for node in graph.node:
        touched = {kinds.get(each) for each in (*node.input, *node.output)}
        if BYTES in touched:
            assert node.op_type == "Cast"
            assert touched <= {BYTES, onnx.TensorProto.FLOAT}
    if precision == "fp16":
        convolved = [n for n in graph.node if n.op_type == "Conv"]
        assert {kinds[n.output[0]] for n in convolved} == {onnx.TensorProto.FLOAT16}
