"""Structure of ERFNet, ENet, CGNet and DABNet: forms, strides, receptive fields."""

import pytest
import torch

from lively import lively
from wsiseg.errors import ArgumentError
from wsiseg.models import create_model
from wsiseg.models.profiling import receptive_field


@pytest.mark.parametrize(
    ("name", "form"), [("erfnet", "authors"), ("enet", "current"), ("cgnet", "authors")]
)
def test_default_is_the_form_of_the_original_program(name: str, form: str) -> None:
    wanted = create_model(name, 3, form=form).state_dict()
    assert create_model(name, 3).state_dict().keys() == wanted.keys()
    with pytest.raises(ArgumentError, match="sideways"):
        create_model(name, 3, form="sideways")


@pytest.mark.parametrize(
    ("name", "form", "stride"),
    [
        ("erfnet", {"form": "authors"}, 1),
        ("erfnet", {"form": "mmseg"}, 2),
        ("enet", {}, 1),
        ("cgnet", {"form": "mmseg"}, 8),
        ("dabnet", {}, 8),
    ],
)
def test_output_stride(name: str, form: dict[str, str], stride: int) -> None:
    assert create_model(name, 3, **form).output_stride == stride


def test_encoder_of_erfnet_is_supervised_at_an_eighth() -> None:
    network = lively("erfnet")
    x = torch.randn(1, 3, 37, 64)
    with torch.no_grad():
        full, coarse = network.supervised(x)
        assert torch.equal(full, network(x))
    assert coarse.shape == (1, 6, 5, 8)
    (only,) = lively("erfnet", form="mmseg").supervised(x)
    assert only.shape == (1, 6, 37, 64)


@pytest.mark.parametrize(
    ("name", "field"), [("erfnet", 1239), ("enet", 1241), ("cgnet", None), ("dabnet", 1095)]
)
def test_receptive_field(name: str, field: int | None) -> None:
    # One gate is enough to see everything.
    depth = {"blocks2": 2, "blocks3": 2} if name == "cgnet" else {}
    assert receptive_field(create_model(name, 6, **depth)) == field


@pytest.mark.parametrize("depth", [{"blocks2": 1}, {"blocks3": 1}, {"blocks3": -1}])
def test_stages_of_cgnet_without_a_residual_block_are_refused(depth: dict[str, int]) -> None:
    with pytest.raises(ArgumentError, match="at least 2"):
        create_model("cgnet", 5, **depth)


def test_depths_of_cgnet_are_those_asked_for() -> None:
    network = create_model("cgnet", 5, blocks2=4, blocks3=7)
    assert (len(network.encoder.level2), len(network.encoder.level3)) == (3, 6)
