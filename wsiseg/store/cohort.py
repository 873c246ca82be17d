"""The cohort table ``cohort.csv``: a row for every slide whose masks lie in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from wsiseg.csv_tables import Cell, to_csv
from wsiseg.wording import name_options_in

COHORT = "cohort.csv"

_FIGURES = ("slide", "status", "seconds", "megapixels", "analysed_mm2")
_NOTES = ("unread_tiles", "warnings", "error", "mask")

_PLAIN = str.maketrans({"µ": "u", "×": "x", "²": "2", "…": "...", "\N{EN DASH}": "-"})
"""Signs in our own sentences that need not make a table one that is not ASCII."""

_LONGEST = 30_000
"""Characters of a cell; a spreadsheet takes 32,767."""

_AREA = "mm2 "
"""Begins the name of a class's column."""


def cohort_table(entries: Iterable[Mapping[str, Any]]) -> str:
    """Return the cohort table as CSV text.

    Every class of any slide has a column ``mm2 NAME``, which is empty for slides that are not
    done, whose resolution is unknown, or whose checkpoint has no such class.

    Parameters
    ----------
    entries : iterable of mapping
        As in ``wsiseg segment --json``; what is missing is left empty.

    Examples
    --------
    >>> gland = {"name": "gland", "pixels": 4, "mm2": 0.25}
    >>> done = {"slide": "a.svs", "status": "ok", "seconds": 1.5, "classes": [gland]}
    >>> print(cohort_table([done, {"slide": "b.svs", "status": "failed"}]), end="")
    slide,status,seconds,megapixels,analysed_mm2,mm2 gland,unread_tiles,warnings,error,mask
    a.svs,ok,1.5,,0.25,0.25,,,,
    b.svs,failed,,,,,,,,
    """
    rows = [_row(entry) for entry in name_options_in(list(entries))]
    classes = dict.fromkeys(name for row in rows for name in row if name.startswith(_AREA))
    columns = (*_FIGURES, *classes, *_NOTES)
    table = to_csv(columns, ([row.get(name) for name in columns] for row in rows))
    # Without the mark spreadsheets take letters such as ä for two of another alphabet.
    return table if table.isascii() else "\ufeff" + table


def _row(entry: Mapping[str, Any]) -> dict[str, Cell]:
    row: dict[str, Cell] = {name: _cell(entry.get(name)) for name in (*_FIGURES, *_NOTES)}
    warnings = entry.get("warnings")
    row["warnings"] = "; ".join(map(str, warnings)) or None if isinstance(warnings, list) else None
    for name in ("warnings", "error"):
        text = row[name]
        row[name] = text.translate(_PLAIN)[:_LONGEST] if isinstance(text, str) else text
    areas = list(_areas(entry))
    known = [mm2 for _, mm2 in areas if mm2 is not None]
    if known and len(known) == len(areas):
        row["analysed_mm2"] = round(sum(known), 6)
    return row | {_AREA + name: mm2 for name, mm2 in areas}


def _areas(entry: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    classes = entry.get("classes")
    for each in classes if isinstance(classes, list) else ():
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            mm2 = each.get("mm2")
            yield each["name"], mm2 if isinstance(mm2, int | float) else None


def _cell(value: object) -> Cell:
    return value if isinstance(value, str | int | float) else None
