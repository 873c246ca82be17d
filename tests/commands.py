"""Run the command line inside the test's process."""

import contextlib
import io
from dataclasses import dataclass

import pytest

from wsiseg.cli import main


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


def run(*words: object) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as stop,
    ):
        main([str(word) for word in words])
    return Outcome(int(stop.value.code or 0), out.getvalue(), err.getvalue())
