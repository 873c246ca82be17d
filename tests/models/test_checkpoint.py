"""Checkpoints: what is written comes back, bit for bit."""

import json
import math
import os
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from checkpoints import NORMALISATION, make_card, make_checkpoint
from golden import digest, read_golden
from wsiseg.classes import LabelClass
from wsiseg.errors import OutputError
from wsiseg.models import import_checkpoint, load_checkpoint
from wsiseg.models.checkpoint import ClassEntry
from wsiseg.models.class_sets import BREAST_TISSUE

# What is written comes back.


def test_weights_come_back_bit_for_bit(saved: Path) -> None:
    before, after = make_checkpoint().network.state_dict(), load_checkpoint(saved).network
    assert before.keys() == after.state_dict().keys()
    for key, value in after.state_dict().items():
        assert torch.equal(value, before[key]), key
        assert value.dtype == before[key].dtype


def test_card_comes_back_whole(saved: Path) -> None:
    loaded = load_checkpoint(saved)
    assert loaded.card == make_card()
    assert [type(v) for v in loaded.card.arguments.values()] == [int, int, str]
    assert loaded.mpp == 0.62005
    assert loaded.classes == BREAST_TISSUE
    assert isinstance(loaded.classes[0], LabelClass)
    assert loaded.path == saved


def test_network_gives_the_same_logits_after_the_round_trip(saved: Path) -> None:
    x = torch.randn(1, 3, 24, 40)
    with torch.no_grad():
        assert torch.equal(load_checkpoint(saved).network(x), make_checkpoint().network(x))


def test_network_of_a_checkpoint_is_in_evaluation_mode(saved: Path) -> None:
    assert not make_checkpoint().network.training
    assert not any(module.training for module in load_checkpoint(saved).network.modules())


def test_digest_is_that_of_what_decides_the_labels(saved: Path) -> None:
    original = make_checkpoint().sha256
    assert load_checkpoint(saved).sha256 == original
    assert make_checkpoint(mpp=1.0, metrics={}).sha256 == original
    assert make_checkpoint(seed=1).sha256 != original
    assert len(original) == 64


def test_digest_notices_the_smallest_change() -> None:
    changed = make_checkpoint()
    bias = changed.network.norm3.bias
    with torch.no_grad():
        bias[0] = torch.nextafter(bias[0], torch.tensor(torch.inf))
    assert changed.sha256 != make_checkpoint().sha256


def test_saving_what_was_loaded_gives_the_same_bytes(saved: Path) -> None:
    again = load_checkpoint(saved).save(saved.with_name("again.safetensors"))
    assert again.read_bytes() == saved.read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes such as 0644 to look at")
def test_others_may_read_the_file_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    saved = make_checkpoint().save(tmp_path / "a.safetensors")
    assert saved.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_file_is_readable_without_this_package(saved: Path) -> None:
    with safe_open(saved, framework="np") as file:
        header = json.loads(file.metadata()["wsiseg"])
        shape = file.get_tensor("up1.weight").shape
    assert header["format"] == 1
    assert header["architecture"] == "espnet"
    assert header["arguments"] == {"alpha2": 1, "alpha3": 1, "skip": "train"}
    assert [entry["name"] for entry in header["classes"]] == [c.name for c in BREAST_TISSUE]
    assert header["mpp"] == 0.62005
    assert shape == (8, 8, 2, 2)


def test_subnormal_weights_of_a_file_are_zeroed_when_it_is_loaded(saved: Path) -> None:
    state = load_file(saved)
    state["up1.weight"][0, 0, 0, 0] = 1e-40
    target = saved.with_name("tiny.safetensors")
    with safe_open(saved, framework="pt") as file:
        save_file(state, target, file.metadata())
    weight = load_checkpoint(target).network.up1.weight
    assert weight[0, 0, 0, 0] == 0
    assert torch.equal(weight.flatten()[1:], state["up1.weight"].flatten()[1:])


def test_measure_that_is_not_a_number_can_be_saved_and_loaded(tmp_path: Path) -> None:
    path = make_checkpoint(metrics={"iou blood": math.nan}).save(tmp_path / "x.safetensors")
    assert math.isnan(load_checkpoint(path).card.metrics["iou blood"])


@pytest.mark.parametrize("text", [True, False])
def test_path_may_be_a_text(tmp_path: Path, text: bool) -> None:
    path = tmp_path / "x.safetensors"
    written = make_checkpoint().save(str(path) if text else path)
    assert written == path
    assert load_checkpoint(str(path) if text else path).card == make_card()


# Preprocessing.


@pytest.mark.parametrize(
    "name", ["espnet_camvid_p2q8_astronaut_360x480", "espnetc_city_p2q5_ihc_256x512"]
)
def test_preprocessing_of_published_checkpoints_is_the_authors_after_a_round_trip(
    data: Path, tmp_path: Path, name: str
) -> None:
    golden = read_golden(data, name)
    architecture = "espnet" if name.startswith("espnet_") else "espnet-c"
    imported = import_checkpoint(data / "weights" / golden.meta["weights"], architecture)
    loaded = load_checkpoint(imported.save(tmp_path / "x.safetensors"))
    assert digest(imported.preprocess(golden.pixels)) == golden.input_sha256
    assert digest(loaded.preprocess(golden.pixels)) == golden.input_sha256
    assert loaded.sha256 == imported.sha256
    assert loaded.card == imported.card


def test_preprocessing_takes_arrays_and_tensors() -> None:
    checkpoint = make_checkpoint()
    pixels = torch.randint(0, 256, (2, 5, 7, 3), dtype=torch.uint8)
    x = checkpoint.preprocess(pixels)
    assert x.shape == (2, 3, 5, 7)
    assert x.dtype == torch.float32
    assert torch.equal(x, NORMALISATION.apply(pixels))
    assert torch.equal(checkpoint.preprocess(pixels.numpy()), x)


# Writing.


def test_saving_leaves_the_file_alone_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "deep"
    path = make_checkpoint().save(folder / "x.safetensors")
    assert list(folder.iterdir()) == [path]


def test_saving_replaces_what_stands(saved: Path) -> None:
    make_checkpoint(seed=5, mpp=2.0).save(saved)
    assert load_checkpoint(saved).sha256 == make_checkpoint(seed=5).sha256
    assert load_checkpoint(saved).mpp == 2.0
    assert list(saved.parent.iterdir()) == [saved]


def test_target_that_is_a_folder_is_told(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    (target / "inside").mkdir(parents=True)
    with pytest.raises(OutputError, match="cannot be written"):
        make_checkpoint().save(target)
    assert list(tmp_path.iterdir()) == [target]
    assert [path.name for path in target.iterdir()] == ["inside"]


def test_target_below_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="cannot be written"):
        make_checkpoint().save(tmp_path / "file" / "x.safetensors")
    assert (tmp_path / "file").read_text() == "not a folder"


def test_failed_save_keeps_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full(*_: object) -> None:
        saved.with_name(saved.name + ".partial").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OutputError, match="No space left"):
        make_checkpoint(seed=9).save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


# Cards.


def test_cards_refuse_what_makes_no_sense() -> None:
    for changes in ({"classes": ()}, {"mpp": 0.0}, {"mpp": -1.0}, {"nonesuch": 1}):
        with pytest.raises(ValidationError):
            make_card(**changes)
    with pytest.raises(ValidationError):
        ClassEntry(name="blood", colour=(0, 0, 300))


def test_cards_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        make_card().mpp = 1.0
