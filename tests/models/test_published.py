"""What was published, against what is built here."""

import math

import pytest
import torch

from wsiseg.models import create_model, list_architectures
from wsiseg.models.profiling import count_parameters
from wsiseg.models.published import UNITS, Figure, list_figures
from wsiseg.models.registry import find_architecture

NAMES = [a.name for a in list_architectures() if a.network.__module__.startswith("wsiseg.")]

UNPUBLISHED = {"espnet-a", "espnet-b"}
"""Steps towards another network, without figures of their own that could be verified."""

PARAMETERS = [
    pytest.param(name, figure, id=f"{name}-{figure.value}-{figure.classes}")
    for name in NAMES
    for figure in list_figures(name)
    if figure.measure == "parameters"
]


def test_every_architecture_has_been_written_about() -> None:
    assert {name for name in NAMES if not list_figures(name)} <= UNPUBLISHED
    assert list_figures("no network") == ()


@pytest.mark.parametrize("name", NAMES)
def test_figures_say_what_they_are_about_and_who_says_so(name: str) -> None:
    for figure in list_figures(name):
        assert figure.measure in UNITS
        assert figure.value > 0
        assert figure.on
        assert figure.source
        assert figure.unit in figure.text
        find_architecture(name).check(figure.arguments)


@pytest.mark.parametrize(("name", "figure"), PARAMETERS)
def test_published_parameters_are_ours_to_the_last_digit(name: str, figure: Figure) -> None:
    with torch.device("meta"):
        network = create_model(name, figure.classes, **figure.arguments)
    digits = len(str(figure.value).partition(".")[2])
    # Some round, some cut off.
    difference = abs(count_parameters(network) - round(figure.value * 1e6))
    assert difference < math.pow(10, 6 - digits)
