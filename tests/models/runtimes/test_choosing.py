"""Which runtime runs, on what, in which numbers."""

import os
import subprocess
import sys

import pytest
import torch

from wsiseg.errors import ArgumentError, RuntimeUnavailableError
from wsiseg.models.runtimes import RUNTIMES, choose_runtime, installed_runtimes


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def cuda(no_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 6))


@pytest.fixture
def apple(no_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


@pytest.fixture
def no_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    # What Python itself takes for a module that cannot be found.
    monkeypatch.setitem(sys.modules, "openvino", None)


@pytest.fixture
def with_openvino() -> None:
    pytest.importorskip("openvino", reason="OpenVINO is an extra")


def test_fastest_on_a_cpu_comes_first(with_openvino: None) -> None:
    assert installed_runtimes()[:2] == ["openvino", "torch"]


def test_what_is_not_installed_is_not_listed(no_openvino: None) -> None:
    assert "openvino" not in installed_runtimes()
    assert installed_runtimes()[0] == "torch"


def test_auto_takes_openvino_on_a_cpu(no_gpu: None, with_openvino: None) -> None:
    choice = choose_runtime()
    assert (choice.runtime, choice.device, choice.precision) == ("openvino", "cpu", "fp32")
    assert choose_runtime(device="cpu").runtime == "openvino"


def test_auto_takes_torch_where_openvino_is_missing(no_gpu: None, no_openvino: None) -> None:
    choice = choose_runtime()
    assert (choice.runtime, choice.device, choice.precision) == ("torch", "cpu", "fp32")


def test_asking_for_openvino_where_it_is_missing_tells_how_to_get_it(no_openvino: None) -> None:
    with pytest.raises(RuntimeUnavailableError) as caught:
        choose_runtime("openvino")
    text = str(caught.value)
    assert "openvino is not installed" in text
    assert "pip install 'wsiseg[openvino]'" in text
    assert "`runtime`" in text


def test_auto_takes_torch_on_a_gpu(cuda: None) -> None:
    assert (choose_runtime().runtime, choose_runtime().device) == ("torch", "cuda")
    assert choose_runtime(device="cuda:1").device == "cuda:1"
    assert choose_runtime(device="cuda:1").runtime == "torch"
    assert choose_runtime("torch").device == "cuda"


def test_auto_takes_torch_on_an_apple_gpu(apple: None) -> None:
    assert (choose_runtime().runtime, choose_runtime().device) == ("torch", "mps")


@pytest.mark.parametrize(
    ("capability", "precision", "fast"),
    [
        ((6, 1), "fp32", ()),
        ((7, 0), "fp16", ("fp16",)),
        ((9, 0), "fp16", ("bf16", "fp16")),
    ],
)
def test_auto_computes_in_16_bits_where_a_gpu_is_made_for_it(
    cuda: None,
    monkeypatch: pytest.MonkeyPatch,
    capability: tuple[int, int],
    precision: str,
    fast: tuple[str, ...],
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    choice = choose_runtime(device="cuda:1")
    assert (choice.precision, choice.adaptable) == (precision, True)
    assert RUNTIMES["torch"].fast_precisions("cuda:1") == fast
    asked = choose_runtime(device="cuda:1", precision="fp32")
    assert (asked.precision, asked.adaptable) == ("fp32", False)


def test_auto_computes_in_16_bits_on_an_apple_gpu_and_in_32_on_a_cpu(apple: None) -> None:
    assert choose_runtime().precision == "fp16"
    assert choose_runtime(device="cpu").precision == "fp32"


def test_openvino_stays_on_the_cpu_beside_a_gpu(cuda: None, with_openvino: None) -> None:
    assert choose_runtime("openvino").device == "cpu"
    assert choose_runtime(device="cpu").runtime == "openvino"


def test_openvino_on_a_gpu_is_refused_with_the_way_out(cuda: None, with_openvino: None) -> None:
    with pytest.raises(RuntimeUnavailableError) as caught:
        choose_runtime("openvino", device="cuda:0")
    assert "cuda:0" in str(caught.value)
    assert caught.value.hint == "Use `runtime=torch`."


def test_unknown_runtime_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ArgumentError) as caught:
        choose_runtime("caffe")
    assert "there is no runtime 'caffe'" in str(caught.value)
    assert caught.value.where == "`runtime`"
    assert caught.value.hint == "Use openvino, torch, onnx, tensorrt."


@pytest.mark.parametrize("precision", ["fp64", "int4", "FP16", ""])
def test_unknown_precision_is_refused_with_those_that_exist(precision: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        choose_runtime(precision=precision)
    assert repr(precision) in str(caught.value)
    assert caught.value.where == "`precision`"
    assert caught.value.hint == "Use auto or one of: fp32, fp16, bf16, int8."


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_known_precision_is_taken(precision: str) -> None:
    assert choose_runtime("torch", precision=precision).precision == precision


def test_int8_goes_to_the_runtime_that_computes_in_it() -> None:
    pytest.importorskip("openvino", reason="openvino is an extra")
    assert choose_runtime(device="cpu", precision="int8").runtime == "openvino"
    with pytest.raises(RuntimeUnavailableError) as caught:
        choose_runtime("torch", "cpu", "int8")
    assert caught.value.what == "torch does not compute in int8 on cpu"
    assert caught.value.hint == "Use `runtime=openvino` on a CPU, or `precision=fp32`."


def test_without_a_runtime_for_int8_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("openvino", "onnx"):
        monkeypatch.setattr(RUNTIMES[name], "is_installed", lambda: False)
    with pytest.raises(RuntimeUnavailableError) as caught:
        choose_runtime(device="cpu", precision="int8")
    assert "pip install 'wsiseg[openvino]'" in str(caught.value)


def test_what_is_fast_is_chosen_on_slides_only() -> None:
    with pytest.raises(ArgumentError, match="fast works for slides only") as caught:
        choose_runtime(precision="fast")
    assert caught.value.where == "`precision`"


@pytest.mark.parametrize("device", ["nonsense", "", "cuda:x", "gpu"])
def test_device_that_does_not_exist_is_refused(device: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        choose_runtime("torch", device=device)
    assert repr(device) in str(caught.value)
    assert caught.value.hint == "Use cpu, cuda, cuda:N or mps."


@pytest.mark.parametrize("runtime", ["auto", "torch", "openvino"])
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "mps", "meta", "xpu"])
def test_device_that_is_not_there_is_refused(no_gpu: None, runtime: str, device: str) -> None:
    with pytest.raises(RuntimeUnavailableError) as caught:
        choose_runtime(runtime, device=device)
    assert repr(device) in str(caught.value)
    assert caught.value.hint == "Try `device=cpu`."


def test_a_pytorch_without_cuda_says_so(no_gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(RuntimeUnavailableError, match="is built without CUDA"):
        choose_runtime(device="cuda")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(RuntimeUnavailableError, match="no NVIDIA GPU, or no driver"):
        choose_runtime(device="cuda")


def test_gpu_beyond_the_last_is_refused(cuda: None) -> None:
    assert choose_runtime(device="cuda:1").device == "cuda:1"
    with pytest.raises(RuntimeUnavailableError, match=r"cuda:2.*but cuda:0, cuda:1"):
        choose_runtime(device="cuda:2")


def test_threads_are_the_cores_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert choose_runtime("torch").threads == 3
    assert choose_runtime("torch", threads=7).threads == 7


def test_threads_are_all_cores_where_the_system_does_not_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert choose_runtime("torch").threads == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert choose_runtime("torch").threads == 1


WITHOUT_TORCH = """
import sys
from pathlib import Path
from wsiseg.models.runtimes import accelerators, choose_runtime
accelerators._LINUX_DEVICES = tuple(sys.argv[1:])
choose_runtime("openvino")
choose_runtime(device="cpu")
print("torch" in sys.modules)
choose_runtime()
print("torch" in sys.modules)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="drivers are looked for in /dev")
@pytest.mark.parametrize(("device", "asked"), [("no-such-gpu*", False), ("nul*", True)])
def test_torch_is_asked_for_a_gpu_only_where_a_driver_is(
    device: str, asked: bool, with_openvino: None
) -> None:
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, device], capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines() == ["False", str(asked)]
