"""Checkpoints of networks on ResNets under their authors' names."""

from pathlib import Path

import pytest
import torch

from golden import read_golden
from published import assert_exact
from wsiseg.errors import CheckpointError, WeightsMismatchError
from wsiseg.models import import_checkpoint, import_state
from wsiseg.models.class_sets import CITYSCAPES
from wsiseg.models.normalisation import IMAGENET

# (golden file, architecture, what is read off it)
DRAWN = [
    (
        "synth_icnet_liminn_r50_c19_ihc_128x256",
        "icnet",
        {"form": "authors", "backbone": "resnet50"},
    ),
    ("synth_mmseg_icnet_r18_c19_ihc_128x256", "icnet", {"form": "mmseg", "backbone": "resnet18"}),
    ("synth_mmseg_bisenetv1_r18_c19_astronaut_128x256", "bisenetv1", {}),
]

# The tests of one file follow each other, as its weights are drawn anew for each of another.
every_file = pytest.mark.parametrize(("name", "architecture", "arguments"), DRAWN, scope="module")


@every_file
def test_cityscapes_is_told_by_nineteen_classes(
    data: Path, tmp_path: Path, name: str, architecture: str, arguments: dict[str, object]
) -> None:
    state = read_golden(data, name).state
    assert state is not None
    path = tmp_path / "weights.pth"
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}, path)
    card = import_checkpoint(path, architecture).card
    path.unlink()
    assert card.arguments == arguments
    assert [entry.name for entry in card.classes] == [c.name for c in CITYSCAPES]
    assert card.normalisation == IMAGENET


@every_file
def test_every_tensor_is_needed_and_no_other_taken(
    data: Path, name: str, architecture: str, arguments: dict[str, object]
) -> None:
    assert_exact(read_golden(data, name).state, architecture)


@pytest.mark.parametrize(("name", "architecture", "arguments"), DRAWN[:2])
def test_depths_that_no_backbone_has_are_refused(
    data: Path, name: str, architecture: str, arguments: dict[str, object]
) -> None:
    state = read_golden(data, name).state
    assert state is not None
    fewer = {k: v for k, v in state.items() if "layer3.1." not in k}
    with pytest.raises(CheckpointError):
        import_state(fewer, architecture)


@pytest.mark.parametrize("change", ["missing", "flat"])
def test_tensor_whose_channels_change_places_is_named_where_it_does_not_fit(
    data: Path, change: str
) -> None:
    name, architecture, _ = DRAWN[1]
    state = dict(read_golden(data, name).state or {})
    weight = state.pop("backbone.psp_bottleneck.conv.weight")
    if change == "flat":
        state["backbone.psp_bottleneck.conv.weight"] = weight[0, 0, 0]
    with pytest.raises(WeightsMismatchError, match=r"encoder\.deep\.merge\.conv\.weight"):
        import_state(state, architecture)
