"""How often tests repeat themselves: enough in ``make test``, all in ``make test-long``.

Three ways to say so, for tests of any room::

    @settings(max_examples=repetitions(100, 1000))
    @pytest.mark.parametrize("form", some_of(FORMS, PLAIN), ids=str)
    @pytest.mark.long

A test that runs shortened has to notice what its long form notices.  Plant a fault that the long
form catches, see the short one fail, and leave a test that plants it again or say in the docstring
which one it was.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

import pytest
from hypothesis import settings

T = TypeVar("T")

# Other work may share the machine, so a slow example is no failure.
settings.register_profile("short", deadline=None, print_blob=True, max_examples=75)
settings.register_profile("long", deadline=None, print_blob=True, max_examples=500)

_long = False


def choose(*, long: bool) -> None:
    """Decide for the whole run, before any test is imported."""
    global _long  # noqa: PLW0603 -- decorators of tests have nobody else to ask
    _long = long
    settings.load_profile("long" if long else "short")


def repetitions(short: int, long: int) -> int:
    """Return how often to repeat."""
    return long if _long else short


def some_of(cases: Iterable[T], short: Iterable[T]) -> list[Any]:
    """Return all cases as parameters, of which `short` alone run unless all are asked for.

    A case that is a tuple has a value for each of several names, as in ``parametrize``.
    """
    kept = list(short)
    cases = list(cases)
    missing = [case for case in kept if case not in cases]
    if missing:
        msg = f"not among the cases: {missing}"
        raise ValueError(msg)
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=() if case in kept else pytest.mark.long,
        )
        for case in cases
    ]
