"""Checkpoints of RDRNet, DDRNet and PIDNet under MMSegmentation's names."""

from pathlib import Path

import pytest
import torch

from golden import read_golden
from wsiseg.errors import CheckpointError, WeightsMismatchError
from wsiseg.models import import_checkpoint, import_state, load_checkpoint
from wsiseg.models.class_sets import CITYSCAPES
from wsiseg.models.normalisation import IMAGENET

# (golden file, its architecture, another one)
FILES = [
    ("synth_rdrnet_s_simple_c19_astronaut_128x256", "rdrnet-s-simple", "rdrnet-s"),
    ("synth_mmseg_ddrnet23_slim_c19_ihc_128x256", "ddrnet23-slim", "ddrnet23"),
    ("synth_mmseg_pidnet_s_c19_ihc_128x256", "pidnet-s", "pidnet-m"),
]


@pytest.mark.parametrize(("name", "architecture", "_other"), FILES)
def test_file_becomes_a_checkpoint_of_cityscapes(
    data: Path, tmp_path: Path, name: str, architecture: str, _other: str
) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"meta": {}, "state_dict": read_golden(data, name).state}, path)
    checkpoint = import_checkpoint(path, architecture)
    assert checkpoint.card.arguments == {}
    assert checkpoint.card.normalisation == IMAGENET
    assert checkpoint.card.training["dataset"] == "cityscapes"
    assert [entry.name for entry in checkpoint.card.classes] == [c.name for c in CITYSCAPES]
    loaded = load_checkpoint(checkpoint.save(tmp_path / "ours.safetensors"))
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded.network(x), checkpoint.network(x))


@pytest.mark.parametrize(("name", "architecture", "other"), FILES)
def test_every_tensor_is_needed_and_no_other_taken(
    data: Path, name: str, architecture: str, other: str
) -> None:
    state = read_golden(data, name).state
    assert state is not None
    with pytest.raises(WeightsMismatchError, match=r"1 left over: aux\.weight"):
        import_state({**state, "aux.weight": torch.zeros(3)}, architecture)
    keys = [key for key in state if "num_batches_tracked" not in key]
    for key in (keys[0], keys[1], *keys[2::151], keys[-1]):
        with pytest.raises(CheckpointError):
            import_state({k: v for k, v in state.items() if k != key}, architecture)
    with pytest.raises(WeightsMismatchError, match="number of classes"):
        import_state(state, architecture, 7)
    with pytest.raises(WeightsMismatchError):
        import_state(state, other)


@pytest.mark.parametrize("place", [1, 2])
def test_weights_of_another_family_are_refused(data: Path, place: int) -> None:
    state = read_golden(data, FILES[0][0]).state
    with pytest.raises(CheckpointError, match="no weights of"):
        import_state(state, FILES[place][1])
