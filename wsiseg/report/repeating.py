"""The command line that repeats a run, made from the settings in its run file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wsiseg.demo.checkpoints import bundled_checkpoints
from wsiseg.report.runs import Run
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.settings import Option

_CHOSEN = ("runtime", "precision", "device")
"""What `auto` chose is named, as another machine would choose otherwise."""

_PATHS = ("roi", "stain_reference")
"""Settings that may be paths."""

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
    words = ["wsiseg", "segment", _operand(run.slide), "-o", str(run.files.folder.absolute())]
    source = _checkpoint(run)
    if source:
        words += ["-c", _operand(str(source))]
    settings = dict(run.part("settings"))
    settings |= {name: run.identity[name] for name in _CHOSEN if name in run.identity}
    return shlex.join([*words, *_options(settings)])


def begun_in(run: Run) -> str | None:
    """Say from which folder relative paths in the command count; None if there are none.

    A run file does not name that folder, but the mask as it was given tells, if it lies there.

    Parameters
    ----------
    run : Run
        A finished one.
    """
    paths = [run.slide, _checkpoint(run), *(run.part("settings").get(k) for k in _PATHS)]
    relative = [
        each for each in paths if isinstance(each, str) and each and not _stands_alone(each)
    ]
    if not relative:
        return None
    given = Path(str(run.entry.get("mask") or "/"))
    mask = run.files.mask.absolute()
    depth = len(given.parts)
    if not given.is_absolute() and ".." not in given.parts and mask.parts[-depth:] == given.parts:
        folder = mask.parents[depth - 1]
        if (folder / run.slide).exists():
            return f"relative paths count from {folder}"
    return (
        "relative paths count from the folder in which the run was begun, which the run file does "
        "not name"
    )


def _checkpoint(run: Run) -> str:
    return str(run.checkpoint.get("source") or run.checkpoint.get("path") or "")


def _stands_alone(text: str) -> bool:
    """Tell whether a text is no relative path: an absolute one, an address, a bundled name."""
    return Path(text).is_absolute() or "://" in text or text in bundled_checkpoints()


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
