"""Architectures by name, their arguments, and a walk over all of them."""

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from wsiseg.errors import ArgumentError, UnknownArchitectureError, WsisegError
from wsiseg.models import create_model, list_architectures
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import ARCHITECTURES, Architecture, find_architecture, register

NAMES = [architecture.name for architecture in list_architectures()]


class Toy(SegmentationNetwork):
    """Takes an argument of each kind."""

    input_multiple = 1

    def __init__(
        self,
        classes: int,
        *,
        depth: int = 1,
        width: float = 1.0,
        gate: bool = False,
        decoder: Literal["light", "heavy"] = "light",
        note: str = "",
    ) -> None:
        super().__init__(classes)
        self.head = nn.Conv2d(3, classes, 1)

    def dense(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(x)
        return logits


TOY = Architecture("toy", "Toys", "no paper", Toy)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("depth", "a whole number; 1 if left out"),
        ("width", "a number; 1.0 if left out"),
        ("gate", "true or false; false if left out"),
        ("decoder", "one of light, heavy; light if left out"),
    ],
)
def test_arguments_are_described_in_words(name: str, expected: str) -> None:
    assert TOY.describe(name) == expected


def test_the_espnets_are_registered() -> None:
    assert {"espnet-a", "espnet-b", "espnet-c", "espnet"} <= set(NAMES)
    assert len(NAMES) == len(set(NAMES))


def test_every_architecture_says_what_it_is() -> None:
    for architecture in list_architectures():
        assert architecture.family
        assert architecture.paper
        assert issubclass(architecture.network, SegmentationNetwork)
        assert find_architecture(architecture.name) is architecture


def test_registered_class_is_found_and_stays_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    names = list(ARCHITECTURES)
    monkeypatch.setattr(ARCHITECTURES, "_things", dict(ARCHITECTURES))
    assert register("toy", family="Toys", paper="no paper")(Toy) is Toy
    assert find_architecture("toy") == TOY
    assert [a.name for a in list_architectures()] == [*names, "toy"]
    assert create_model("toy", 4).classes == 4


def test_new_network_is_in_training_mode_and_float32() -> None:
    network = create_model("espnet-c", 3, alpha2=1, alpha3=1)
    assert network.training
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}


@pytest.mark.parametrize("typo", ["espnt", "ESPNet", "espnet_c", "espnetc"])
def test_near_misses_are_told_what_was_meant(typo: str) -> None:
    with pytest.raises(UnknownArchitectureError) as caught:
        create_model(typo, 5)
    assert repr(typo) in str(caught.value)
    assert "Did you mean" in str(caught.value)
    assert "espnet" in str(caught.value.hint)


def test_far_misses_are_told_every_name() -> None:
    with pytest.raises(UnknownArchitectureError) as caught:
        find_architecture("zzzzzz")
    assert all(name in str(caught.value.hint) for name in NAMES)


def test_unknown_argument_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ArgumentError, match=r"espnet has no argument 'alpha4'") as caught:
        create_model("espnet", 5, alpha4=1)
    assert str(caught.value.hint).startswith("It takes: alpha2, alpha3, skip, width, ")


def test_arguments_reach_the_network() -> None:
    network = create_model("espnet", 5, alpha2=1, alpha3=4, skip="train")
    assert len(network.encoder.level2) == 1
    assert len(network.encoder.level3) == 4
    assert network.skip == "train"


def test_settings_become_values_that_the_network_takes() -> None:
    espnet = find_architecture("espnet")
    settings = espnet.parse({"alpha2": "1", "alpha3": "5", "skip": "train"})
    assert settings == {"alpha2": 1, "alpha3": 5, "skip": "train"}
    assert {type(settings["alpha2"]), type(settings["alpha3"])} == {int}
    assert create_model("espnet", 6, **settings).skip == "train"
    assert espnet.parse({}) == {}


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        ({"depth": "3"}, {"depth": 3}),
        ({"depth": "-3"}, {"depth": -3}),
        ({"width": "0.5"}, {"width": 0.5}),
        ({"width": "2"}, {"width": 2.0}),
        ({"gate": "true"}, {"gate": True}),
        ({"gate": "False"}, {"gate": False}),
        ({"decoder": "heavy"}, {"decoder": "heavy"}),
        ({"note": "3"}, {"note": "3"}),
    ],
)
def test_each_kind_of_argument_is_read_as_its_kind(
    settings: dict[str, str], values: dict[str, object]
) -> None:
    parsed = TOY.parse(settings)
    assert parsed == values
    assert [type(v) for v in parsed.values()] == [type(v) for v in values.values()]


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"dept": "3"}, "toy has no argument 'dept'", "depth, width, gate, decoder, note"),
        ({"classes": "3"}, "toy has no argument 'classes'", "depth"),
        ({"depth": "three"}, "depth wants a whole number, got 'three'", None),
        ({"depth": "3.5"}, "depth wants a whole number, got '3.5'", None),
        ({"depth": ""}, "depth wants a whole number, got ''", None),
        ({"width": "wide"}, "width wants a number, got 'wide'", None),
        ({"gate": "maybe"}, "gate wants true or false, got 'maybe'", None),
        ({"decoder": "medium"}, "decoder wants one of light, heavy, got 'medium'", None),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    settings: dict[str, str], message: str, hint: str | None
) -> None:
    with pytest.raises(ArgumentError) as caught:
        TOY.parse(settings)
    assert message in str(caught.value)
    assert "(`arguments`)" in str(caught.value)
    if hint is None:
        assert caught.value.hint is None
    else:
        assert hint in str(caught.value.hint)


def test_setting_out_of_range_is_refused_when_the_network_is_built() -> None:
    settings = find_architecture("espnet").parse({"alpha3": "0"})
    with pytest.raises(ArgumentError, match="at least 1"):
        create_model("espnet", 5, **settings)


def test_errors_are_one_line_that_says_what_to_do() -> None:
    with pytest.raises(WsisegError) as caught:
        find_architecture("espnett")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("?")
