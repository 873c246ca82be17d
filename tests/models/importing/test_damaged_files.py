"""Files that only look like published checkpoints, or were one before something hit them."""

import random
from pathlib import Path

import pytest
import torch
from torch import Tensor

from golden import read_golden
from published import refusal, written
from wsiseg.errors import (
    WsisegError,
)
from wsiseg.models import import_checkpoint

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def drawn19(data: Path) -> State:
    state = read_golden(data, "synth_espnet_train_p2q3_c19_ihc_128x256").state
    assert state is not None
    return state


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"a": 1},
        {"model": {"a": 1}},
        {0: torch.zeros(1)},
        [torch.zeros(1)],
        torch.zeros(1),
        "text",
        None,
    ],
    ids=["empty", "number", "nested number", "numbered", "list", "tensor", "text", "nothing"],
)
def test_files_without_a_state_dict_are_refused(tmp_path: Path, content: object) -> None:
    refusal(written(tmp_path, content))


def test_missing_file_is_told(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "absent.pth")
    assert "a folder" in refusal(tmp_path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
@pytest.mark.parametrize(
    "text", ["", "hello\n", "0.1,0.2\n0.3,0.4\n", "(see below)\n", "a,b\n", '{"a": 1}', "sum\n"]
)
def test_text_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "weights.pth"
    path.write_text(text)
    assert "cannot be read as plain weights" in refusal(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
def test_random_bytes_are_refused(tmp_path: Path) -> None:
    generator = random.Random(0)
    path = tmp_path / "weights.pth"
    for first in range(256):
        path.write_bytes(bytes([first]) + generator.randbytes(100))
        refusal(path)


@pytest.mark.parametrize("modern", [True, False])
def test_truncated_files_are_refused(drawn19: State, tmp_path: Path, modern: bool) -> None:
    path = tmp_path / "weights.pth"
    torch.save(drawn19, path, _use_new_zipfile_serialization=modern)
    content = path.read_bytes()
    import_checkpoint(path, "espnet")
    for share in (*range(0, 100, 4), 99.9):
        path.write_bytes(content[: int(len(content) * share / 100)])
        refusal(path)


def test_damaged_files_end_in_an_error_of_ours_or_not_at_all(
    drawn19: State, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    torch.save(drawn19, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    generator = random.Random(1)
    refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        damaged[generator.randrange(3000)] = generator.randrange(256)
        path.write_bytes(damaged)
        try:
            import_checkpoint(path, "espnet")
        except WsisegError:
            refused += 1
    assert refused > 10
