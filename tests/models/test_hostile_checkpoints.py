"""Checkpoints that were made to bring the program down, and numbers that would fool it."""

import io
import json
import struct
import typing
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from checkpoints import make_checkpoint
from commands import run
from golden import read_golden
from published import refusal, written
from tiny import tiny_checkpoint
from wsiseg.errors import ArgumentError, CheckpointError, WeightsMismatchError
from wsiseg.models import create_model, import_checkpoint, list_architectures, load_checkpoint
from wsiseg.models.card import HEADER_KEY

CARD = make_checkpoint().card.model_dump(mode="json")
SMALL = {"a": torch.zeros(3)}


def with_card(folder: Path, state: dict[str, Tensor] | None = None, **changes: object) -> Path:
    path = folder / "hostile.safetensors"
    save_file(SMALL if state is None else state, path, {HEADER_KEY: json.dumps(CARD | changes)})
    return path


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 600 + len(str(path))
    return text


@pytest.mark.parametrize(
    ("architecture", "arguments", "word"),
    [
        ("espnet", {"alpha3": 10**9}, "alpha3"),
        ("espnet", {"channels3": 160_000}, "channels3"),
        ("espnet", {"channels2": 4096, "channels3": 4096}, "million parameters"),
        ("espnet", {"alpha3": 4096}, "layers"),
        ("cgnet", {"blocks3": 4096}, "layers"),
        ("ynet-joint", {"diagnoses": 10**12}, "diagnoses"),
        ("espnetv2", {"width": 1e300}, "width"),
        ("espnet", {"alpha3": -1}, "alpha3"),
        ("espnet", {"q" * 10**5: 1}, "arguments"),
        ("e" * 10**6, {}, "architecture"),
    ],
)
def test_arguments_beyond_any_network_are_refused(
    tmp_path: Path, architecture: str, arguments: dict[str, object], word: str
) -> None:
    assert word in refused(with_card(tmp_path, architecture=architecture, arguments=arguments))


def test_every_number_that_any_architecture_takes_is_bounded() -> None:
    tried = 0
    for architecture in list_architectures():
        hints = typing.get_type_hints(architecture.network.__init__)
        for name in architecture.arguments:
            if hints[name] in (int, float):
                tried += 1
                for value in (10**9, 160_000, -3):
                    given = float(value) if hints[name] is float else value
                    with pytest.raises(ArgumentError, match=name):
                        create_model(architecture.name, 2, **{name: given})
    assert tried > 20


def test_the_command_line_refuses_the_same_way() -> None:
    outcome = run("models", "show", "espnet", "--set", "alpha3=1000000000")
    assert outcome.status == 2
    assert "alpha3 is 1000000000" in outcome.err
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"classes": [{"name": "x" * 10**6, "colour": [0, 0, 0]}]}, "name"),
        ({"classes": [{"name": "a\x1b[31m", "colour": [0, 0, 0]}]}, "control"),
        ({"classes": [{"name": "two\nlines", "colour": [0, 0, 0]}]}, "control"),
        ({"classes": [{"name": "x", "colour": [0, 0, 0]}] * 10**5}, "classes"),
        ({"classes": [{"name": "x", "colour": [0, 0, 256]}]}, "colour"),
        ({"classes": {"name": "x"}}, "classes"),
        ({"mpp": float("nan")}, "mpp"),
        ({"mpp": 1e-300}, "mpp"),
        ({"normalisation": {"std": [1e-320, 1, 1]}}, "std"),
        ({"normalisation": {"std": [1, 0, 1]}}, "std"),
        ({"normalisation": {"std": [1, 1, -1]}}, "std"),
        ({"normalisation": {"mean": [1e30, 0, 0]}}, "mean"),
        ({"normalisation": {"mean": [0, float("nan"), 0]}}, "mean"),
        ({"normalisation": {"divide_first": 1e-300}}, "divide_first"),
        ({"\x1b[31m" + "k" * 1000: 1}, "kkk"),
    ],
)
def test_a_card_without_measure_is_refused(
    tmp_path: Path, changes: dict[str, object], word: str
) -> None:
    text = refused(with_card(tmp_path, **changes))
    assert "header is invalid" in text
    assert word in text


def raw(folder: Path, header: bytes, length: int | None = None, size: int = 0) -> Path:
    path = folder / "raw.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header) if length is None else length) + header)
        file.truncate(8 + len(header) + size)
    return path


NESTED = json.dumps(CARD)[:-1] + ',"metrics":' + '{"a":' * 10**5 + "1" + "}" * (10**5 + 1)


@pytest.mark.parametrize(
    ("header", "length"),
    [
        (b"{}", 99_000_000),
        (b"{}", 2**64 - 1),
        (b" " * 9_000_000 + b"{}", None),
        (b'{"a":' * 10**6, None),
        (json.dumps({"__metadata__": {HEADER_KEY: NESTED}}).encode(), None),
        (b'{"__metadata__":{},"__metadata__":{"wsiseg":"{}"}}', None),
        (b'{"__metadata__":{"wsiseg":[1]}}', None),
        (b'{"a":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,4]}}', None),
        (b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', None),
        (b'{"a":[1]}', None),
    ],
    ids=[
        "claimed",
        "endless",
        "spaces",
        "deep",
        "nested",
        "twice",
        "list",
        "digits",
        "negative",
        "untyped",
    ],
)
def test_a_header_without_measure_is_refused(
    tmp_path: Path, header: bytes, length: int | None
) -> None:
    refused(raw(tmp_path, header, length))


def test_a_key_that_stands_twice_in_the_card_is_refused(tmp_path: Path) -> None:
    card = json.dumps(CARD)[:-1] + ',"mpp":0.25}'
    path = raw(tmp_path, json.dumps({"__metadata__": {HEADER_KEY: card}}).encode())
    assert "twice" in refused(path)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf, 3e38])
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path: Path, bad: float) -> None:
    checkpoint = tiny_checkpoint()
    with torch.no_grad():
        checkpoint.network.get_parameter("look.weight").view(-1)[5] = bad
    text = refused(checkpoint.save(tmp_path / "bad.safetensors"))
    assert "look.weight" in text


@pytest.mark.parametrize("bad", [-0.5, torch.nan])
def test_variances_that_are_none_are_refused_by_name(tmp_path: Path, bad: float) -> None:
    checkpoint = make_checkpoint()
    state = checkpoint.network.state_dict()
    name = next(key for key in state if key.endswith("running_var"))
    state[name][0] = bad
    assert name in refused(checkpoint.save(tmp_path / "bad.safetensors"))


def test_numbers_that_overflow_when_they_are_narrowed_are_refused(tmp_path: Path) -> None:
    state = make_checkpoint().network.state_dict()
    name = next(key for key in state if key.endswith("weight"))
    state[name] = torch.full_like(state[name], 1e300, dtype=torch.float64)
    assert name in refused(with_card(tmp_path, state))


def test_whole_numbers_are_no_weights(tmp_path: Path) -> None:
    state = make_checkpoint().network.state_dict()
    name = next(key for key in state if key.endswith("weight"))
    state[name] = state[name].to(torch.int8)
    assert f"of another type: {name}" in refused(with_card(tmp_path, state))


def test_names_of_tensors_are_quoted_in_short(tmp_path: Path) -> None:
    state = make_checkpoint().network.state_dict() | {"\x1b[31mevil" * 1000: torch.zeros(1)}
    assert "evil" in refused(with_card(tmp_path, state))


# Published files.


def bomb(path: Path, unpacked: int) -> Path:
    """Write a file of weights with a member that unpacks to many zeros."""
    kept = io.BytesIO()
    torch.save({"a": torch.zeros(9)}, kept)
    with zipfile.ZipFile(kept) as plain, zipfile.ZipFile(path, "w") as packed:
        for member in plain.infolist():
            packed.writestr(member, plain.read(member))
        more = zipfile.ZipInfo("archive/data/1")
        more.compress_type = zipfile.ZIP_DEFLATED
        with packed.open(more, "w", force_zip64=True) as file:
            for _ in range(unpacked // 2**22):
                file.write(bytes(2**22))
    return path


def test_a_file_that_unpacks_to_far_more_than_it_has_is_refused(tmp_path: Path) -> None:
    assert "unpacks to 268 MB" in refusal(bomb(tmp_path / "bomb.pth", 2**28), "espnet")


def test_a_file_larger_than_any_weights_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "sparse.pth"
    with path.open("wb") as file:
        file.truncate(20 * 10**9)
    assert "which no weights do" in refusal(path, "espnet")


def test_an_old_file_that_claims_a_huge_tensor_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save({"a": torch.zeros(10)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    # The number of elements, 10, becomes 10¹⁰.
    claimed = content.replace(b"K\nN", b"\x8a\x05\x00\xe4\x0b\x54\x02N")
    assert claimed != content
    path.write_bytes(claimed)
    assert "cannot be read" in refusal(path, "espnet")


def test_published_weights_that_are_no_numbers_are_refused_by_name(
    data: Path, tmp_path: Path
) -> None:
    state = read_golden(data, "synth_espnet_train_p2q3_c19_ihc_128x256").state
    assert state is not None
    name = next(key for key in state if key.endswith("conv.weight"))
    spoilt = {key: value.clone() for key, value in state.items()}
    spoilt[name].view(-1)[0] = torch.nan
    path = written(tmp_path, spoilt)
    with pytest.raises(CheckpointError, match="holds NaN"):
        import_checkpoint(path, "espnet")


def test_a_tensor_that_only_seems_large_is_compared_before_it_is_touched(
    data: Path, tmp_path: Path
) -> None:
    state = read_golden(data, "synth_espnet_train_p2q3_c19_ihc_128x256").state
    assert state is not None
    name = next(key for key in state if key.endswith("bn.weight"))
    # One number, seen ten billion times.
    path = written(tmp_path, dict(state) | {name: torch.zeros(1).expand(10**10)})
    with pytest.raises(WeightsMismatchError):
        import_checkpoint(path, "espnet")
