"""Fills the templates: texts are escaped, and nothing in a page asks for anything elsewhere."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from wsiseg.report.charts import clock
from wsiseg.text import escape_unprintable

MARK = '<meta name="wsiseg-report"'
"""What every page has near its beginning, by which it is known to be ours."""

_LONGEST_JSON = 200_000
_LONGEST_LIST = 12
_SIZES = frozenset({"tile"})
"""Names of lists that are a height and a width."""

_MEMORY = re.compile(r"(?:^|\.)(?:memory)(?P<unit>_bytes|_mb|)(?:\.|$)")
_IN_MIB = {"_bytes": 2**20, "_mb": 1, "": 2**20}
"""What figures of memory are divided by, by the ending of their names."""

_NARROW_SPACE = "\u202f"


def fill(template: str, **content: object) -> str:
    """Return a page.

    Parameters
    ----------
    template : str
        Its file's name.
    **content
        What the template shows.
    """
    style, script = _part("page.css"), _part("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),
            script=Markup(script),
            script_digest=digest,
            version=version("wsiseg"),
            **content,
        )
    )


def flatten(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield what is nested in JSON as rows of a table: names joined by dots, and texts.

    Parameters
    ----------
    value : object
        What :mod:`json` gives.
    name : str
        Of the value.

    Examples
    --------
    >>> list(flatten({"tile": [512, 512], "mean": [0.7, 0.5], "plan": {"batch": 2}}))
    [('tile', '512 × 512'), ('mean', '0.7, 0.5'), ('plan.batch', '2')]
    >>> list(flatten({"memory_bytes": {"network": 270663680}}))
    [('memory.network', '258.1 MiB')]
    """
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from flatten(each, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value:
        if any(isinstance(each, list | Mapping) for each in value) or len(value) > _LONGEST_LIST:
            yield name, f"{len(value)} entries, see the run file"
        else:
            between = " × " if name.rpartition(".")[2] in _SIZES else ", "
            yield name, between.join(map(_plain, value))
    elif _is_number(value) and (found := _MEMORY.search(name)):
        shown = f"{number(float(value) / _IN_MIB[found['unit']])} MiB"  # type: ignore[arg-type]
        yield name[: found.start("unit")] + name[found.end("unit") :], shown
    else:
        yield name, _plain(value)


def raw_json(content: Mapping[str, Any] | None) -> str | None:
    """Return a run file as it stands, without what only resuming needs, or None if it is huge."""
    if content is None:
        return None
    text = json.dumps({k: v for k, v in content.items() if k != "shards"}, indent=2)
    return text if len(text) <= _LONGEST_JSON else None


def _plain(value: object) -> str:
    match value:
        case None | [] | {}:
            return "—"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("wsiseg.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "percent": percent,
        "moment": lambda text: str(text).replace("T", " ").replace("+00:00", " UTC"),
        "clock": _clock,
        "sentence": _sentence,
        "address": address,
        "preformatted": lambda text: Markup(escape(text)),
    }
    return environment


@functools.cache
def _part(name: str) -> str:
    return files("wsiseg.report").joinpath("templates", name).read_text(encoding="utf-8")


def _clean(value: object) -> object:
    """Make what cannot be seen visible: names of slides and classes are other people's."""
    if isinstance(value, Markup):
        return value
    return escape_unprintable(value) if isinstance(value, str) else value


def number(value: object) -> str:
    r"""Return a number as people read it: four digits or all before the point.

    Examples
    --------
    >>> number(1.054795), number(0.973), number(12345678), number(None)
    ('1.055', '0.973', '12\u202f345\u202f678', '—')
    """
    if not _is_number(value):
        return "—"
    figure = float(value)  # type: ignore[arg-type]
    if figure == 0:
        return "0"
    digits = 0 if isinstance(value, int) else max(0, 3 - math.floor(math.log10(abs(figure))))
    if digits > 8:
        return f"{figure:.3e}"
    text = f"{figure:,.{digits}f}".replace(",", _NARROW_SPACE)
    return text.rstrip("0").rstrip(".") if digits else text


def percent(value: object) -> str:
    """Return a share as a percentage.

    Examples
    --------
    >>> percent(0.0271), percent(1e-6), percent(0)
    ('2.7 %', '< 0.1 %', '0.0 %')
    """
    if not _is_number(value):
        return "—"
    share = 100 * float(value)  # type: ignore[arg-type]
    if 0 < share < 0.1:
        return "< 0.1 %"
    return f"{share:.1f} %"


def _clock(value: object) -> str:
    return clock(float(value)) if _is_number(value) else "—"  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _sentence(text: object) -> Markup:
    """Return a sentence of ours, in which parameters stand between backticks, with options."""
    escaped = str(escape(escape_unprintable(str(text))))
    return Markup(re.sub(r"`([a-z_]+)(?:=([^`]*))?`", _option, escaped))


def _option(found: re.Match[str]) -> str:
    option = f"--{found[1].replace('_', '-')}"
    return f"<code>{option} {found[2]}</code>" if found[2] else f"<code>{option}</code>"


def address(name: str) -> str:
    """Return the address of a file in the same folder, whatever bytes its name has.

    Examples
    --------
    >>> address("a b#1.report.html")
    './a%20b%231.report.html'
    """
    return f"./{quote(os.fsencode(name))}"
