"""What was published, against what is built here."""

import json

import pytest

from commands import run
from wsiseg.models import list_architectures
from wsiseg.models.published import UNITS, Figure, list_figures
from wsiseg.models.published.comparison import Comparison, compare
from wsiseg.models.registry import find_architecture

NAMES = [a.name for a in list_architectures() if a.network.__module__.startswith("wsiseg.")]

UNPUBLISHED = {"espnet-a", "espnet-b"}
"""Steps towards another network, without figures of their own that could be verified."""


def stated(name: str, measure: str, on: str, **arguments: object) -> set[float]:
    return {
        figure.value
        for figure in list_figures(name)
        if (figure.measure, figure.on) == (measure, on) and dict(figure.arguments) == arguments
    }


def test_every_architecture_has_been_written_about() -> None:
    assert {name for name in NAMES if not list_figures(name)} == UNPUBLISHED
    assert list_figures("no network") == ()


@pytest.mark.parametrize("name", NAMES)
def test_figures_say_what_they_are_about_and_who_says_so(name: str) -> None:
    figures = list_figures(name)
    for figure in figures:
        assert figure.measure in UNITS
        assert figure.value > 0
        assert figure.on
        assert figure.source
        assert figure.text.startswith(f"{figure.measure} {figure.digits} {figure.unit}")
        find_architecture(name).check(figure.arguments)
    said = [(f.measure, f.on, f.source, f.form, f.digits) for f in figures]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("name", NAMES)
def test_published_costs_are_ours_to_the_last_digit_or_it_is_said_why_not(name: str) -> None:
    compared = compare(name)
    assert tuple(comparison.figure for comparison in compared) == list_figures(name)
    for comparison in compared:
        figure = comparison.figure
        assert comparison.agrees in (None, not figure.note), figure
        assert not figure.source.endswith("counted") or comparison.here, figure
        assert (comparison.here is None) <= (not figure.note)


@pytest.mark.parametrize(
    ("digits", "number", "agrees"),
    [
        ("4.5", 4.59, True),
        ("4.5", 4.41, True),
        ("4.5", 4.709, False),
        ("162", 161.58, True),
        ("162", 163.1, False),
        ("1.200", 1.2045, False),
        ("1.200", 1.1995, True),
    ],
)
def test_numbers_agree_if_they_round_or_are_cut_to_the_published_one(
    digits: str, number: float, agrees: bool
) -> None:
    figure = Figure("MACs", digits, "1024×512", "somebody", note="theirs counts pooling")
    assert figure.agrees(number) == agrees
    text = Comparison(figure, number).text
    assert ("differs: theirs counts pooling" in text) == (not agrees)
    nothing = Comparison(figure, None)
    assert (nothing.text, nothing.agrees) == ("", None)


def test_exchanged_units_stand_in_the_poster() -> None:
    """ESP, MobileNet, ShuffleNet, Inception, ResNeXt, ResNet: parameters, accuracy, speed, size."""
    units = (None, "mobilenet", "shufflenet", "inception", "resnext", "resnet")
    table = {
        ("parameters", "20 classes"): (0.187, 0.233, 0.181, 0.328, 0.424, 1.2),
        ("mIoU", "Cityscapes"): (49, 42, 37, 43, 50, 54),
        ("speed", "GTX 960M"): (54, 52.3, 55.4, 42.3, 36.6, 31.3),
        ("size", "20 classes"): (0.75, 0.93, 0.74, 1.42, 1.65, 4.7),
    }
    for (measure, on), row in table.items():
        for unit, value in zip(units, row, strict=True):
            arguments = {"alpha3": 3, **({"unit": unit} if unit else {})}
            assert value in stated("espnet-c", measure, on, **arguments)


def test_steps_towards_ynet_are_told_and_not_compared() -> None:
    steps = [c for c in compare("ynet") if c.figure.variant]
    assert len(steps) == 2 * (6 * 2 + 2)
    assert all(step.here is None and step.agrees is None for step in steps)
    assert "mIoU 35.23 % with ESP encoder, ESP decoder, no sharing, width 128" in {
        step.figure.text for step in steps
    }


def test_models_show_puts_computed_figures_beside_published_ones() -> None:
    shown = json.loads(run("models", "show", "espnet", "--classes", 5, "--json").out)
    (macs,) = (f for f in shown["published"] if (f["measure"], f["value"]) == ("MACs", 4.5))
    # Of the form and the classes that were published, whatever was asked for.
    assert macs["here"] == pytest.approx(4.709, abs=1e-3)
    assert (macs["agrees"], macs["unit"], macs["variant"]) == (False, "G", None)
    assert "original code" in macs["note"]
    (accuracy,) = (f for f in shown["published"] if f["value"] == 60.336)
    assert (accuracy["here"], accuracy["agrees"], accuracy["note"]) == (None, None, None)
    lines = run("models", "show", "espnet", "--classes", 5).out.splitlines()
    assert any("MACs 4.5 G" in line and "here 4.709 G, differs: " in line for line in lines)
    assert any("0.36 M: 20 classes" in line and line.endswith("here 0.364569 M") for line in lines)
