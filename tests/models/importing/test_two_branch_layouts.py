"""MMSegmentation's files of Fast-SCNN, BiSeNetV2 and STDC-Seg."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from golden import read_golden
from wsiseg.errors import CheckpointError, WeightsMismatchError
from wsiseg.models import import_checkpoint, import_state
from wsiseg.models.class_sets import CITYSCAPES
from wsiseg.models.normalisation import IMAGENET

FILES = [
    ("synth_mmseg_fast_scnn_c19_astronaut_128x256", "fast-scnn"),
    ("synth_mmseg_bisenetv2_c19_ihc_128x256", "bisenetv2"),
    ("synth_mmseg_stdc1_c19_astronaut_128x256", "stdc1"),
]

LAPLACIAN = "auxiliary_head.2.laplacian_kernel"
"""A constant of STDC-Seg that the importer passes over."""


def published_state(data: Path, name: str) -> dict[str, Tensor]:
    state = read_golden(data, name).state
    assert state is not None
    return state


@pytest.mark.parametrize(("name", "architecture"), FILES)
def test_published_file_becomes_a_checkpoint_of_cityscapes(
    data: Path, tmp_path: Path, name: str, architecture: str
) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"meta": {}, "state_dict": published_state(data, name)}, path)
    card = import_checkpoint(path, architecture).card
    assert [entry.name for entry in card.classes] == [c.name for c in CITYSCAPES]
    assert card.normalisation == IMAGENET


@pytest.mark.parametrize(("name", "architecture"), FILES)
def test_every_tensor_is_needed_and_no_other_taken(
    data: Path, name: str, architecture: str
) -> None:
    state = published_state(data, name)
    with pytest.raises(WeightsMismatchError, match=r"1 left over: aux\.weight"):
        import_state({**state, "aux.weight": torch.zeros(3)}, architecture)
    keys = [k for k in state if "num_batches_tracked" not in k and k != LAPLACIAN]
    for key in (keys[0], keys[1], *keys[2::97], keys[-1]):
        with pytest.raises(CheckpointError):
            import_state({k: v for k, v in state.items() if k != key}, architecture)


def test_stdc1_is_no_stdc2(data: Path) -> None:
    with pytest.raises(WeightsMismatchError, match="missing"):
        import_state(published_state(data, FILES[-1][0]), "stdc2")
