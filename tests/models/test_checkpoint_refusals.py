"""Files that are no checkpoint, or a broken one, and what reading them must not do."""

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from wsiseg.errors import CheckpointError, WeightsMismatchError, WsisegError
from wsiseg.models import import_checkpoint, load_checkpoint
from wsiseg.models.card import HEADER_KEY


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


# Files that are no checkpoint.


def test_missing_file_is_told(tmp_path: Path) -> None:
    assert "there is no such checkpoint" in refusal(tmp_path / "absent.safetensors")


def test_folder_is_refused(tmp_path: Path) -> None:
    assert "a folder, not a checkpoint" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"x", b"just some text, and not a short one at that\n"])
def test_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.safetensors"
    path.write_bytes(content)
    assert "not a .safetensors checkpoint" in refusal(path)


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.3, 0.99, 0.999999])
def test_truncated_file_is_refused(saved: Path, share: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    assert "not a .safetensors checkpoint" in refusal(saved)


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
