"""Every runtime is measured beside what auto chooses, and the choice is explained."""

import json

import pytest

from commands import run
from tiny import tiny_checkpoint
from wsiseg.models.runtimes.choosing import RuntimeChoice, choose_runtime
from wsiseg.models.runtimes.registry import RUNTIMES
from wsiseg.throughput import runtime_comparison
from wsiseg.throughput.runtime_comparison import RuntimeFigure, compare_runtimes, explain


def choice(runtime: str, precision: str = "fp32", device: str = "cpu") -> RuntimeChoice:
    return RuntimeChoice(runtime, device, precision, 1)  # type: ignore[arg-type]


OURS = choice("openvino")


def test_every_installed_runtime_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_comparison, "EDGE", 64)
    monkeypatch.setattr(runtime_comparison, "_SECONDS", 0.0)
    monkeypatch.setattr(runtime_comparison, "_PRECISIONS", ("fp32",))
    checkpoint = tiny_checkpoint()
    auto = choose_runtime(device="cpu", threads=1)
    found = list(compare_runtimes(checkpoint.network, checkpoint.card.normalisation, auto))
    for name, kind in RUNTIMES.items():
        plain = [f for f in found if (f.choice.runtime, f.choice.precision) == (name, "fp32")]
        if kind.is_installed() and kind.runs_on("cpu"):
            assert [figure.choice.device for figure in plain] == ["cpu"]
            assert plain[0].mpx_per_s is not None
    for figure in found:
        assert (figure.mpx_per_s is None) == bool(figure.why_not)


def test_a_runtime_that_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_comparison, "_measure", lambda *_: 1.0)
    for name in ("openvino", "onnx"):
        monkeypatch.setattr(RUNTIMES[name], "is_installed", classmethod(lambda _: False))
    checkpoint = tiny_checkpoint()
    found = list(
        compare_runtimes(checkpoint.network, checkpoint.card.normalisation, choice("torch"))
    )
    missing = {f.choice.runtime: f.why_not for f in found if f.mpx_per_s is None}
    assert missing["openvino"] == "pip install 'wsiseg[openvino]'"
    assert missing["onnx"] == "pip install 'wsiseg[onnx]'"


def test_the_choice_is_explained_by_what_was_measured() -> None:
    figures = [
        RuntimeFigure(OURS, 4.0),
        RuntimeFigure(choice("openvino", "bf16"), 7.0),
        RuntimeFigure(choice("torch"), 2.0),
        RuntimeFigure(choice("onnx"), why_not="broken"),
    ]
    first, *rest = explain(OURS, figures)
    assert first.startswith("auto chooses openvino in fp32 on cpu: no GPU is seen")
    assert "it is 2.00 times as fast as torch on cpu" in rest
    assert rest[-1].startswith("bf16 on openvino was 1.75 times as fast")


def test_what_is_quicker_than_the_choice_is_recommended() -> None:
    figures = [RuntimeFigure(OURS, 4.0), RuntimeFigure(choice("onnx"), 6.0)]
    assert explain(OURS, figures)[-1] == "onnx on cpu was 1.50 times as fast here: `runtime=onnx`"
    gpu = choice("torch", "fp16", "cuda")
    assert "PyTorch sees cuda" in explain(gpu, [RuntimeFigure(gpu, 100.0)])[0]
    assert explain(OURS, [])[-1] == "it could not be measured"


def test_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    auto = choose_runtime()
    figures = [RuntimeFigure(auto, 4.0), RuntimeFigure(choice("onnx", "bf16"), why_not="no bf16")]
    monkeypatch.setattr(runtime_comparison, "compare_runtimes", lambda *_: iter(figures))
    content = json.loads(run("doctor", "--bench", "--json", "--quiet").out)
    assert content["checks"]
    bench = content["bench"]
    assert bench["auto"]["runtime"] == auto.runtime
    assert bench["measured"][0]["mpx_per_s"] == 4.0
    assert bench["measured"][1]["why_not"] == "no bf16"
    assert bench["why"][0].startswith(f"auto chooses {auto.runtime}")
