"""What runs in ``make test``, and what in ``make test-long`` besides."""

import pytest
from hypothesis import settings

import repetitions

CASES = [("a", 1), ("b", 2), ("c", 3)]


@pytest.fixture(params=[False, True])
def long(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(autouse=True)
def as_it_was(pytestconfig: pytest.Config):
    yield
    repetitions.choose(long=pytestconfig.getoption("--long"))


def test_numbers_are_those_of_the_form_that_is_run(long: bool) -> None:
    repetitions.choose(long=long)
    assert repetitions.repetitions(3, 70) == (70 if long else 3)
    assert settings().max_examples == (500 if long else 75)


def test_cases_of_the_long_form_are_marked_and_none_is_lost() -> None:
    params = repetitions.some_of(CASES, CASES[1:2])
    assert [param.values for param in params] == CASES
    assert [[mark.name for mark in param.marks] for param in params] == [["long"], [], ["long"]]
    (single,) = repetitions.some_of(["abc"], ["abc"])
    assert single.values == ("abc",)


def test_short_form_has_no_cases_of_its_own() -> None:
    with pytest.raises(ValueError, match=r"not among the cases: \['d'\]"):
        repetitions.some_of("abc", "ad")


@pytest.mark.long
def test_what_is_marked_runs_when_all_is_asked_for(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getoption("--long")
