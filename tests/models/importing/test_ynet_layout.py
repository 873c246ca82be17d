"""Checkpoints of Y-Net under its authors' names."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from golden import read_golden
from wsiseg.errors import CheckpointError, WeightsMismatchError
from wsiseg.models import create_model, import_checkpoint, import_state, load_checkpoint
from wsiseg.models.class_sets import BREAST_TISSUE
from wsiseg.models.normalisation import Normalisation

State = dict[str, Tensor]

DRAWN = {
    "ynet": "synth_ynet_seg_C1_c8_ac_ihc_384x384",
    "ynet-joint": "synth_ynet_joint_C1_c8_d5_ac_ihc_384x384",
}


# The tests of one file follow each other, as its weights are drawn anew for each of another.
@pytest.fixture(scope="module", params=DRAWN)
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def state(data: Path, architecture: str) -> State:
    drawn = read_golden(data, DRAWN[architecture]).state
    assert drawn is not None
    return drawn


def with_residual_units(state: Mapping[str, Tensor]) -> State:
    """Put what the authors' D1 has in the place of every pyramid: two convolutions with norms."""
    other: State = {}
    for key, value in state.items():
        match = re.match(r"(.*level\d_\d)\.(c1|d\d+|bn)\.", key)
        if match is None:
            other[key] = value
            continue
        unit, part = match[1], match[2]
        if part == "bn":
            channels = len(state[f"{unit}.bn.weight"])
            for place in ("c1", "c2"):
                other[f"{unit}.{place}.conv.weight"] = torch.randn(channels, channels, 3, 3)
                other[key.replace(".bn.", f".{place}.bn.")] = value
    return other


def test_file_says_what_it_is(state: State, architecture: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({f"module.{key}": value for key, value in state.items()}, path)
    checkpoint = import_checkpoint(path, architecture)
    card = checkpoint.card
    assert card.arguments == {"unit": "C1"} | (
        {"diagnoses": 5} if architecture == "ynet-joint" else {}
    )
    assert card.training["dataset"] == "breast-biopsy"
    assert card.normalisation == Normalisation(
        order="BGR", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
    )
    assert checkpoint.classes == BREAST_TISSUE
    assert import_checkpoint(path, architecture, "breast-biopsy").card == card
    loaded = load_checkpoint(checkpoint.save(tmp_path / "tissue.safetensors"))
    x = checkpoint.preprocess(torch.randint(0, 256, (1, 32, 48, 3), dtype=torch.uint8))
    with torch.no_grad():
        assert torch.equal(loaded.network(x), checkpoint.network(x))


def test_residual_form_is_told_by_its_keys(state: State, architecture: str) -> None:
    network = import_state(with_residual_units(state), architecture)
    assert network.unit == "D1"
    assert network.classes == 8


@pytest.mark.parametrize("unit", ["C1", "D1"])
def test_every_tensor_is_needed_and_no_other_taken(
    state: State, architecture: str, unit: str
) -> None:
    if unit == "D1":
        state = with_residual_units(state)
    ours = create_model(architecture, 8, unit=unit).state_dict()
    assert len(state) == len(ours)
    with pytest.raises(WeightsMismatchError, match=r"1 left over: aux\.weight"):
        import_state({**state, "aux.weight": torch.zeros(3)}, architecture)
    keys = [key for key in state if "num_batches_tracked" not in key]
    for key in (keys[0], keys[1], *keys[2::41], keys[-1]):
        with pytest.raises(CheckpointError):
            import_state({k: v for k, v in state.items() if k != key}, architecture)
    with pytest.raises(WeightsMismatchError, match="number of classes"):
        import_state(state, architecture, 7)


def test_form_that_contradicts_the_file_is_refused(state: State, architecture: str) -> None:
    with pytest.raises(WeightsMismatchError):
        import_state(state, architecture, unit="D1")


def test_each_network_refuses_the_other_ones_weights(state: State, architecture: str) -> None:
    (other,) = set(DRAWN) - {architecture}
    with pytest.raises(CheckpointError, match=f"not weights of {other}"):
        import_state(state, other)
