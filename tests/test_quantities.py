"""Lengths and areas have units."""

import pytest

from wsiseg.errors import ArgumentError
from wsiseg.quantities import Area, Length, parse_area, parse_length
from wsiseg.settings import Settings


class Sieve(Settings):
    mesh: Length | None = None
    frame: Area = 4.0


@pytest.mark.parametrize(
    ("text", "length"),
    [("2um", 2), ("2 µm", 2), ("0.25mm", 250), ("1e2um", 100), (".5um", 0.5), ("500nm", 0.5)],
)
def test_a_length_is_in_micrometres(text, length):
    assert parse_length(text) == pytest.approx(length)
    assert Sieve(mesh=text).mesh == pytest.approx(length)


@pytest.mark.parametrize(
    ("text", "area"),
    [("50um2", 50), ("50 µm²", 50), ("50um^2", 50), ("0.1mm2", 1e5), ("1cm2", 1e8)],
)
def test_an_area_is_in_square_micrometres(text, area):
    assert parse_area(text) == pytest.approx(area)
    assert Sieve(frame=text).frame == pytest.approx(area)


@pytest.mark.parametrize("text", ["", "2", "um", "2um2", "-2um", "2km", "2 u m", "nanum", "2umm"])
def test_what_is_no_length_is_refused(text):
    with pytest.raises(ArgumentError, match="is not a length"):
        parse_length(text)


@pytest.mark.parametrize("text", ["", "2", "2um", "2m2", "2um3", "-2um2", "um2", "2um22"])
def test_what_is_no_area_is_refused(text):
    with pytest.raises(ArgumentError, match="is not an area"):
        Sieve(frame=text)


def test_numbers_are_micrometres_and_settings_can_be_copied():
    sieve = Sieve(mesh=3, frame="2um2")
    assert sieve.replace(frame=9).model_dump() == {"mesh": 3.0, "frame": 9.0}
    with pytest.raises(ArgumentError, match="too small"):
        Sieve(mesh=0)
