"""Keeping libraries quiet while they do what they tell much about."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(logger: str | None = None) -> Iterator[None]:
    """Let a library log errors alone, and warn of nothing.

    Parameters
    ----------
    logger : str, optional
        Name of its logger; the one above all if left out.
    """
    found = logging.getLogger(logger)
    level = found.level
    found.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        found.setLevel(level)
