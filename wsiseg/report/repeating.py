"""The command line that repeats a run, made from the settings in its run file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from wsiseg.report.runs import Run
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.settings import Option

_CHOSEN = ("runtime", "precision", "device")
"""What `auto` chose is named, as another machine would choose otherwise."""

_NOT_REPEATED = ("resume", "overwrite")

_UNITS = {"LENGTH": "um", "AREA": "um2"}
"""What a number of the run file is measured in, by how the command line calls it."""

_EVERY = "*"
"""Stands for the name of a class where a setting holds for all of them."""


def repeating_command(run: Run) -> str:
    """Return the command line that gives the same mask again, quoted for a shell.

    Parameters
    ----------
    run : Run
        A finished one.

    Returns
    -------
    str
        Settings that differ from the defaults, and what was chosen for ``auto``.
    """
    checkpoint = run.part("checkpoint")
    words = ["wsiseg", "segment", _operand(run.slide), "-o", _operand(str(run.files.folder))]
    source = checkpoint.get("source") or checkpoint.get("path")
    if source:
        words += ["-c", _operand(str(source))]
    settings = dict(run.part("settings"))
    settings |= {name: run.identity[name] for name in _CHOSEN if name in run.identity}
    return shlex.join([*words, *_options(settings)])


def unknown_settings(run: Run) -> tuple[str, ...]:
    """Return the settings of a run that this version does not know, and that were in use."""
    return tuple(
        name
        for name, value in run.part("settings").items()
        if name not in SegmentOptions.model_fields and value not in (None, False)
    )


def _operand(text: str) -> str:
    return f"./{text}" if text.startswith("-") else text


def _options(settings: Mapping[str, Any]) -> Iterator[str]:
    defaults = SegmentOptions().as_json()
    for name, declared in SegmentOptions.model_fields.items():
        value = settings.get(name, defaults[name])
        if value == defaults[name] or value is None or name in _NOT_REPEATED:
            continue
        shown = next((each for each in declared.metadata if isinstance(each, Option)), Option())
        if shown.shown:
            option = max(shown.names or (f"--{name.replace('_', '-')}",), key=len)
            unit = _UNITS.get((shown.metavar or "").rpartition("]")[2], "")
            yield from _words(option, value, unit)


def _words(option: str, value: Any, unit: str) -> Iterator[str]:
    match value:
        case True:
            yield option
        case False:
            yield f"--no-{option.removeprefix('--')}"
        case dict():
            for key, each in value.items():
                text = f"{each}{unit}"
                yield from (option, text if key == _EVERY else f"{key}={text}")
        case list():
            yield from (option, ",".join(map(str, value)))
        case _:
            text = f"{value}{unit}"
            yield from ([f"{option}={text}"] if text.startswith("-") else (option, text))
