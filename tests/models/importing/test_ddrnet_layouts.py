"""Checkpoints of RDRNet, DDRNet and PIDNet under MMSegmentation's names."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from golden import read_golden
from published import assert_exact
from wsiseg.errors import CheckpointError, WeightsMismatchError
from wsiseg.models import import_checkpoint, import_state, load_checkpoint
from wsiseg.models.class_sets import CITYSCAPES
from wsiseg.models.folding import merge_paths
from wsiseg.models.normalisation import IMAGENET

State = dict[str, Tensor]

# (golden file, its architecture, another one)
FILES = [
    ("synth_rdrnet_s_simple_c19_astronaut_128x256", "rdrnet-s-simple", "rdrnet-s"),
    ("synth_mmseg_ddrnet23_slim_c19_ihc_128x256", "ddrnet23-slim", "ddrnet23"),
    ("synth_mmseg_pidnet_s_c19_ihc_128x256", "pidnet-s", "pidnet-m"),
]

# The tests of one file follow each other, as its weights are drawn anew for each of another.
every_file = pytest.mark.parametrize(("name", "architecture", "other"), FILES, scope="module")


@every_file
def test_file_becomes_a_checkpoint_of_cityscapes(
    data: Path, tmp_path: Path, name: str, architecture: str, other: str
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


@every_file
def test_every_tensor_is_needed_and_no_other_taken(
    data: Path, name: str, architecture: str, other: str
) -> None:
    state = read_golden(data, name).state
    assert_exact(state, architecture, step=151)
    assert state is not None
    with pytest.raises(WeightsMismatchError):
        import_state(state, other)


@pytest.mark.parametrize("place", [1, 2])
def test_weights_of_another_family_are_refused(data: Path, place: int) -> None:
    state = read_golden(data, FILES[0][0]).state
    with pytest.raises(CheckpointError, match="not weights of"):
        import_state(state, FILES[place][1])


# RDRNet as it is deployed

RDRNET = FILES[0]


def merged_pair(state: State, conv: str, norm: str) -> tuple[Tensor, Tensor]:
    """Return kernel and bias of a convolution and its norm, in float64."""
    double = {key: state[f"{norm}.{key}"].double() for key in ("weight", "bias", "running_mean")}
    factor = double["weight"] / (state[f"{norm}.running_var"].double() + 1e-3).sqrt()
    weight = state[f"{conv}.weight"].double() * factor[:, None, None, None]
    bias = state.get(f"{conv}.bias", torch.zeros(len(factor))).double()
    return weight, double["bias"] + (bias - double["running_mean"]) * factor


def deployed(state: State) -> State:
    """Merge the paths of RDRNet under its authors' names, as their program would."""
    merged = {k: v for k, v in state.items() if ".path_" not in k and ".parallel" not in k}
    for key in state:
        if key.endswith(".path_3x3.conv.weight"):
            block = key.removesuffix(".path_3x3.conv.weight")
            square, shift = merged_pair(state, f"{block}.path_3x3.conv", f"{block}.path_3x3.bn")
            point = f"{block}.path_1x1"
            inner, outer = (
                merged_pair(state, f"{point}.conv{n}.conv", f"{point}.conv{n}.bn") for n in (1, 2)
            )
            square[:, :, 1, 1] += outer[0][:, :, 0, 0] @ inner[0][:, :, 0, 0]
            shift += outer[1] + outer[0][:, :, 0, 0] @ inner[1]
            if f"{block}.path_residual.weight" in state:
                same = {f"{block}.same.weight": torch.eye(len(shift))[:, :, None, None]}
                own, more = merged_pair(
                    {**state, **same}, f"{block}.same", f"{block}.path_residual"
                )
                square[:, :, 1, 1] += own[:, :, 0, 0]
                shift += more
            merged |= {f"{block}.reparam_3x3.weight": square.float()}
            merged |= {f"{block}.reparam_3x3.bias": shift.float()}
    pyramid = "backbone.spp.processes"
    pairs = [
        merged_pair(state, f"{pyramid}.parallel{n}.conv", f"{pyramid}.parallel{n}.bn")
        for n in (1, 2)
    ]
    for part, values in zip(("weight", "bias"), zip(*pairs, strict=True), strict=True):
        merged[f"{pyramid}.reparam_parallel.{part}"] = sum(values).float()
    return merged


@pytest.fixture(scope="module")
def trained(data: Path) -> State:
    state = read_golden(data, RDRNET[0]).state
    assert state is not None
    return state


def test_deployed_file_does_what_the_trained_one_does(trained: State) -> None:
    given = deployed(trained)
    assert sum(value.numel() for value in given.values()) < 7_200_000
    one, other = import_state(trained, RDRNET[1]), import_state(given, RDRNET[1])
    torch.manual_seed(0)
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected = one(x)
        torch.testing.assert_close(other(x), expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(merge_paths(other)(x), expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(other(x).argmax(1), expected.argmax(1))


def test_deployed_file_can_be_trained_on(trained: State) -> None:
    network = import_state(deployed(trained), RDRNET[1]).train()
    torch.stack(
        [y.square().mean() for y in network.supervised(torch.randn(2, 3, 64, 64))]
    ).sum().backward()
    mute = network.encoder.stem[2]
    assert (mute.same.weight == 0).all()
    assert (mute.same.weight.grad != 0).any()
    assert (mute.point[1].norm.weight.grad != 0).any()


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("backbone.stem.3.reparam_3x3.bias", "encoder.stem.3."),
        ("backbone.stem.3.reparam_3x3.weight", "encoder.stem.3."),
        ("backbone.spp.processes.reparam_parallel.weight", "encoder.context.process.2."),
        ("decode_head.aux_cls_seg.weight", "auxiliary_head.classifier.weight"),
    ],
)
def test_every_tensor_of_a_deployed_file_is_needed(trained: State, key: str, named: str) -> None:
    given = deployed(trained)
    assert key in given
    for broken in (
        {k: v for k, v in given.items() if k != key},
        {**given, key: given[key][:2]},
    ):
        with pytest.raises(WeightsMismatchError, match=re.escape(named)):
            import_state(broken, RDRNET[1])
    with pytest.raises(WeightsMismatchError):
        import_state(given, RDRNET[2])
