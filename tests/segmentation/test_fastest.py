"""``precision=fast``: the quickest whose labels agree with fp32 on the slide's own first tiles."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import wsiseg
from tiny import Tiny, tiny_checkpoint
from wsiseg.models import load_checkpoint
from wsiseg.models.runtimes.torch import TorchRuntime
from wsiseg.segmentation import fastest

OPTIONS = {"level": 0, "tissue": "none", "runtime": "torch", "tile": 256, "precision": "fast"}


@pytest.fixture
def checkpoint(tmp_path):
    """Return a checkpoint of a file, of which figures are kept; no other test has its weights."""
    made = tiny_checkpoint(3)
    with torch.no_grad():
        for number, parameter in enumerate(made.network.parameters()):
            random = torch.Generator().manual_seed(number)
            parameter.copy_(torch.randn(parameter.shape, generator=random))
    return load_checkpoint(made.save(tmp_path / "uneven.safetensors"))


@pytest.fixture
def slide(tmp_path):
    path = tmp_path / "slide.png"
    noise = np.random.default_rng(1).integers(0, 256, (40, 30, 3), np.uint8)
    Image.fromarray(noise).resize((300, 280)).save(path)
    return path


@pytest.fixture
def other(tmp_path, slide):
    path = tmp_path / "other.png"
    Image.open(slide).rotate(180).save(path)
    return path


class Machine:
    """A machine that computes in bf16, in so much of the time of fp32."""

    def __init__(self, monkeypatch):
        self.now, self.takes, self.runs = 0.0, {"fp32": 1.0, "bf16": 0.5}, []
        run = TorchRuntime.run
        monkeypatch.setattr(
            TorchRuntime, "fast_precisions", classmethod(lambda _cls, _device: ("bf16",))
        )

        def timed(runtime, tiles):
            self.now += self.takes[runtime.settings.precision]
            self.runs.append((runtime.settings.precision, runtime.settings.tile))
            return run(runtime, tiles)

        monkeypatch.setattr(TorchRuntime, "run", timed)
        monkeypatch.setattr(fastest.time, "process_time", lambda: self.now)

    def compared(self):
        """Return how many squares were labelled to compare or to time, and forget them."""
        count = sum(tile == (512, 512) for _, tile in self.runs)
        self.runs.clear()
        return count


@pytest.fixture
def machine(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Plug-ins may change what a network does, so nothing is kept of theirs.
    monkeypatch.setattr(Tiny, "__module__", "wsiseg.models.networks.tiny")
    return Machine(monkeypatch)


def segment(slide, checkpoint, folder, **options):
    result = wsiseg.segment(slide, checkpoint, folder, **(OPTIONS | options))
    return result, json.loads((folder / f"{slide.stem}.run.json").read_text())


def test_the_quickest_that_agrees_is_taken_said_and_kept(
    machine, monkeypatch, checkpoint, slide, other, tmp_path
):
    monkeypatch.setattr(fastest, "LEAST_AGREEMENT", 0.8)
    result, run = segment(slide, checkpoint, tmp_path / "first")
    assert result.summary["precision"] == "bf16"
    assert 0.8 < result.summary["label_agreement"] < 1
    assert run["fast"]["label_agreement"] == result.summary["label_agreement"]
    assert run["fast"]["speedup"] == 2
    assert run["identity"]["precision"] == "bf16"
    assert machine.compared() > 2
    again, repeated = segment(slide, checkpoint, tmp_path / "again")
    assert (again.labels[:] == result.labels[:]).all()
    assert repeated["fast"] == run["fast"]
    # Nothing is timed or compared a second time.
    assert machine.compared() == 0
    # Another slide is compared by itself, and nothing is timed for it.
    segment(other, checkpoint, tmp_path / "other")
    assert machine.compared() == 2


def test_what_agrees_too_little_is_refused_with_its_figure(
    machine, monkeypatch, checkpoint, slide, tmp_path
):
    monkeypatch.setattr(fastest, "LEAST_AGREEMENT", 0.9999999)
    result, run = segment(slide, checkpoint, tmp_path / "fast")
    plain, _ = segment(slide, checkpoint, tmp_path / "fp32", precision="fp32")
    assert result.summary["precision"] == "fp32"
    assert result.summary["label_agreement"] == 1
    assert plain.summary["label_agreement"] is None
    assert 0.5 < run["fast"]["refused"]["bf16"] < 1
    assert (result.labels[:] == plain.labels[:]).all()


def test_what_is_no_quicker_is_not_taken(machine, checkpoint, slide, tmp_path):
    machine.takes["bf16"] = 0.99
    result, run = segment(slide, checkpoint, tmp_path / "fast")
    assert result.summary["precision"] == "fp32"
    assert run["fast"]["refused"] == {}


def test_a_resumed_run_goes_on_as_it_was_begun(machine, checkpoint, slide, tmp_path):
    folder = tmp_path / "out"
    plain, _ = segment(slide, checkpoint, folder, precision="bf16")
    labels = plain.labels[:]
    # By now fast would choose otherwise.
    machine.takes["bf16"] = 2.0
    machine.compared()
    result, run = segment(slide, checkpoint, folder, resume=True)
    assert run["identity"]["precision"] == "bf16"
    assert (result.labels[:] == labels).all()
    assert machine.compared() == 0


def test_the_choice_is_one_line():
    chosen = fastest.FastChoice("bf16", 0.99931, 1.72, {"int8": 0.9939})
    assert chosen.text == (
        "fast: bf16, 1.7 times as fast as fp32, 99.93% of the labels of the first tiles are the "
        "same; int8 agrees on 99.39% only"
    )
    none = fastest.FastChoice("fp32", 1.0, 1.0, {})
    assert none.text == "fast: fp32, as nothing is quicker here"
    refused = fastest.FastChoice("fp32", 1.0, 1.0, {"bf16": 0.98})
    assert refused.text == "fast: fp32, as bf16 agrees on 98.00% only"
