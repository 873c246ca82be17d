"""Checkpoints: what is written comes back, and what is broken is refused."""

import json
import math
import os
import pickle
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from golden import digest, read_golden
from wsiseg.errors import CheckpointError, OutputError, WeightsMismatchError, WsisegError
from wsiseg.models import create_model, import_checkpoint, load_checkpoint
from wsiseg.models.checkpoint import HEADER_KEY, Checkpoint, CheckpointCard, ClassEntry
from wsiseg.models.class_sets import BREAST_TISSUE, LabelClass
from wsiseg.models.normalisation import Normalisation

NORMALISATION = Normalisation(
    order="BGR", mean=(1.5, 2.5, 3.5), std=(0.1, 0.2, 0.3), divide_first=2.0, divide_last=3.0
)


def make_card(**changes: object) -> CheckpointCard:
    settings: dict[str, object] = {
        "architecture": "espnet",
        "arguments": {"alpha2": 1, "alpha3": 1, "skip": "train"},
        "classes": tuple(ClassEntry(name=c.name, colour=c.colour) for c in BREAST_TISSUE),
        "mpp": 0.62005,
        "normalisation": NORMALISATION,
        "training": {"data": "Ünïcode", "epochs": 12, "tiles": ["a", "b"]},
        "metrics": {"miou": 0.4321},
    }
    return CheckpointCard(**(settings | changes))


def make_checkpoint(seed: int = 0, **changes: object) -> Checkpoint:
    torch.manual_seed(seed)
    network = create_model("espnet", len(BREAST_TISSUE), alpha2=1, alpha3=1, skip="train")
    return Checkpoint(make_card(**changes), network)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return make_checkpoint().save(tmp_path / "tissue.safetensors")


def write_with_header(saved: Path, header: str) -> Path:
    target = saved.with_name("edited.safetensors")
    save_file(load_file(saved), target, {HEADER_KEY: header})
    return target


def edited_header(saved: Path, **changes: object) -> Path:
    with safe_open(saved, framework="pt") as file:
        header = json.loads(file.metadata()[HEADER_KEY])
    return write_with_header(saved, json.dumps(header | changes))


def refusal(path: Path) -> str:
    """Return the one line that says why a file is no checkpoint."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


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


# Files that are no checkpoint.


def test_missing_file_is_told(tmp_path: Path) -> None:
    assert "there is no such checkpoint" in refusal(tmp_path / "absent.safetensors")


def test_folder_is_refused(tmp_path: Path) -> None:
    assert "a folder, not a checkpoint" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"x", b"just some text, and not a short one at that\n"])
def test_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.safetensors"
    path.write_bytes(content)
    assert "no .safetensors checkpoint" in refusal(path)


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.3, 0.99, 0.999999])
def test_truncated_file_is_refused(saved: Path, share: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    assert "no .safetensors checkpoint" in refusal(saved)


@pytest.mark.parametrize("header", [None, {"format": "pt"}])
def test_weights_without_our_header_are_refused(
    tmp_path: Path, header: dict[str, str] | None
) -> None:
    path = tmp_path / "bare.safetensors"
    save_file({"weight": torch.zeros(2)}, path, header)
    text = refusal(path)
    assert "not what a run needs" in text
    assert "wsiseg models import" in text


@pytest.mark.parametrize("header", ["{not json", "", "[]", "null", "{}"])
def test_header_that_is_no_card_is_refused(saved: Path, header: str) -> None:
    text = refusal(write_with_header(saved, header))
    assert "header is invalid" in text
    assert ": :" not in text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("classes", []),
        ("classes", [{"name": "a", "colour": [0, 0, 256]}]),
        ("classes", [{"name": "a", "colour": [0, 0]}]),
        ("classes", [{"name": f"{i}", "colour": [0, 0, 0]} for i in range(256)]),
        ("mpp", 0),
        ("mpp", -0.5),
        ("mpp", "fine"),
        ("architecture", 3),
        ("normalisation", {"order": "GRB"}),
        ("surprise", 1),
    ],
)
def test_header_with_a_bad_entry_is_refused_and_the_entry_named(
    saved: Path, key: str, value: object
) -> None:
    text = refusal(edited_header(saved, **{key: value}))
    assert "header is invalid" in text
    assert key in text


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": "nonesuch"},
        {"arguments": {"depth": 3}},
        {"arguments": {"alpha3": 0}},
        {"arguments": {"alpha3": "many"}},
        {"arguments": {"alpha3": 2.5}},
        {"arguments": {"alpha2": 1, "alpha3": 1, "skip": "sideways"}},
    ],
)
def test_header_with_a_network_that_cannot_be_built_is_refused_and_the_file_named(
    saved: Path, changes: dict[str, object]
) -> None:
    path = edited_header(saved, **changes)
    with pytest.raises(WsisegError) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("count", [1, 7, 9, 255])
def test_class_count_that_the_tensors_do_not_have_is_refused(saved: Path, count: int) -> None:
    classes = [{"name": f"{i}", "colour": [i, 0, 0]} for i in range(count)]
    path = edited_header(saved, classes=classes)
    with pytest.raises(WeightsMismatchError) as caught:
        load_checkpoint(path)
    text = str(caught.value)
    assert "of another shape" in text
    assert "number of classes" in text
    assert str(path) in text


def test_arguments_that_the_tensors_do_not_have_are_refused(saved: Path) -> None:
    path = edited_header(saved, arguments={"alpha2": 1, "alpha3": 1, "skip": "test"})
    with pytest.raises(WeightsMismatchError, match=r"merge1\.conv\.weight is \(8, 27, 3, 3\)"):
        load_checkpoint(path)
    path = edited_header(saved, arguments={"alpha2": 1, "alpha3": 2, "skip": "train"})
    with pytest.raises(WeightsMismatchError, match=r"missing: encoder\.level3\.1"):
        load_checkpoint(path)


def test_missing_and_surplus_tensors_are_refused_and_the_first_ones_named(saved: Path) -> None:
    state = load_file(saved)
    for key in ("up1.weight", "norm3.bias"):
        del state[key]
    state |= {"zebra.weight": torch.zeros(1), "ape.weight": torch.zeros(1)}
    with safe_open(saved, framework="pt") as file:
        header = file.metadata()
    path = saved.with_name("edited.safetensors")
    save_file(state, path, header)
    with pytest.raises(WeightsMismatchError) as caught:
        load_checkpoint(path)
    text = str(caught.value)
    assert "2 missing: norm3.bias, up1.weight" in text
    assert "2 left over: ape.weight, zebra.weight" in text
    assert str(path) in text


def test_published_file_is_refused_and_the_way_told(data: Path) -> None:
    path = data / "weights" / "ESPNet" / "decoder" / "espnet_p_2_q_3.pth"
    assert "wsiseg models import" in refusal(path)


# Reading runs nothing.


class _Booby:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("wrapped", ["bare", "zip", "value", "model"])
def test_file_that_wants_to_run_code_is_refused_and_runs_none(tmp_path: Path, wrapped: str) -> None:
    canary, path = tmp_path / "canary", tmp_path / "weights.pth"
    booby = _Booby(canary)
    if wrapped == "bare":
        path.write_bytes(pickle.dumps(booby, protocol=2))
    else:
        state = {"encoder.level2_0.d16.conv.weight": booby}
        content = {"zip": booby, "value": state, "model": {"epoch": 1, "model": state}}
        torch.save(content[wrapped], path)
    with pytest.raises(CheckpointError):
        import_checkpoint(path, "espnet")
    with pytest.raises(CheckpointError):
        load_checkpoint(path)
    assert not canary.exists()
    # The trap works where it is allowed to.
    torch.load(path, weights_only=False) if wrapped != "bare" else pickle.loads(path.read_bytes())
    assert canary.is_dir()


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

    monkeypatch.setattr("wsiseg.models.checkpoint.save_file", full)
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
