"""ONNX Runtime on what its packages know; which of those is installed is made up here."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tiny import tiny_checkpoint
from wsiseg.errors import RuntimeUnavailableError
from wsiseg.models.runtimes import RuntimeSettings, choose_runtime, onnx
from wsiseg.models.runtimes.cache import cache_folder
from wsiseg.models.runtimes.onnx import OnnxRuntime
from wsiseg.models.tile_network import TileNetwork

onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is an extra")

CPU, CUDA, TENSORRT = (f"{name}ExecutionProvider" for name in ("CPU", "CUDA", "Tensorrt"))
DIRECTML, COREML = "DmlExecutionProvider", "CoreMLExecutionProvider"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what installs a package that knows some providers."""

    def install(*providers: str) -> None:
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [*providers, CPU])

    return install


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def providers(device: str, precision: str = "fp32") -> dict[str, dict[str, object]]:
    return dict(onnx._providers(RuntimeSettings(1, (64, 64), device, precision, 1)))


def test_the_device_decides_what_runs_a_network(
    known: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    known(TENSORRT, CUDA, DIRECTML, COREML)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorrt" else find(name)
    )
    assert list(providers("cpu")) == [CPU]
    assert list(providers("mps")) == [COREML, CPU]
    assert list(providers("dml")) == [DIRECTML, CPU]
    # The package knows TensorRT though it is not installed.
    assert list(providers("cuda:1")) == [CUDA, CPU]
    assert providers("cuda:1")[CUDA]["device_id"] == 1
    assert providers("cuda")[CUDA]["use_tf32"] == 0
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)
    assert list(providers("cuda")) == [TENSORRT, CUDA, CPU]
    engines = providers("cuda")[TENSORRT]
    assert engines["trt_engine_cache_enable"] is True
    # Where `doctor --clear-cache` finds them.
    assert cache_folder() in Path(str(engines["trt_engine_cache_path"])).parents


def test_what_the_installed_package_does_not_know_is_refused(
    known: Callable[..., None], gpu: None
) -> None:
    known()
    for device, package in (("cuda", "onnxruntime-gpu"), ("dml", "onnxruntime-directml")):
        with pytest.raises(RuntimeUnavailableError) as caught:
            choose_runtime("onnx", device)
        assert str(caught.value) == (
            f"the installed ONNX Runtime does not run on {device} (`device`). Use `device=cpu`, or "
            f"install {package} in place of onnxruntime."
        )


def test_auto_takes_the_gpu_if_the_installed_package_does(
    known: Callable[..., None], gpu: None
) -> None:
    known()
    choice = choose_runtime("onnx")
    assert (choice.device, choice.precision) == ("cpu", "fp32")
    known(CUDA)
    choice = choose_runtime("onnx")
    assert (choice.device, choice.precision) == ("cuda", "fp16")


def test_directml_is_for_onnx_runtime_alone(known: Callable[..., None]) -> None:
    known(DIRECTML)
    assert choose_runtime(device="dml").runtime == "onnx"
    assert choose_runtime(device="dml").precision == "fp32"
    with pytest.raises(RuntimeUnavailableError, match="torch runs on cpu and cuda and mps"):
        choose_runtime("torch", "dml")


@pytest.mark.parametrize(
    ("device", "precision"), [("cpu", "fp16"), ("mps", "fp16"), ("cuda", "bf16"), ("dml", "bf16")]
)
def test_formats_that_would_be_emulated_are_refused(device: str, precision: str) -> None:
    settings = RuntimeSettings(1, (64, 64), device, precision, 1)
    network = TileNetwork(tiny_checkpoint().network, tiny_checkpoint().card.normalisation)
    with pytest.raises(RuntimeUnavailableError, match=f"not compute in {precision} on {device}"):
        OnnxRuntime(network.eval(), settings)


class Session:
    """One that goes on with what it could load."""

    def __init__(self, *loaded: str) -> None:
        self.loaded = [*loaded, CPU]

    def get_providers(self) -> list[str]:
        return self.loaded


def test_a_gpu_whose_libraries_do_not_load_is_told(
    known: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    known(TENSORRT, CUDA)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)
    settings = RuntimeSettings(1, (64, 64), "cuda", "fp32", 1)
    monkeypatch.setattr(onnx, "_start", lambda *_: Session())
    with pytest.raises(RuntimeUnavailableError, match="cannot load what it needs on cuda"):
        OnnxRuntime.restore(b"", ("labels",), settings)
    monkeypatch.setattr(onnx, "_start", lambda *_: Session(CUDA))
    assert OnnxRuntime.restore(b"", ("labels",), settings).notes == (
        "ONNX Runtime cannot load Tensorrt and goes without",
    )
    monkeypatch.setattr(onnx, "_start", lambda *_: Session(TENSORRT, CUDA))
    assert OnnxRuntime.restore(b"", ("labels",), settings).notes == ()
