"""CSV tables that spreadsheets open without taking text for formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from wsiseg.text import escape_unprintable

_BEGINS_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula; some take the wide forms as well."""

Cell = str | int | float | None


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]], delimiter: str = ",") -> str:
    """Return a table as text: a line of names, then a line per row, ended by a line feed.

    Parameters
    ----------
    columns : sequence of str
        Their names.
    rows : iterable of sequences
        Numbers, written out or not, which stay what they are, other texts, see :func:`as_cell`,
        and None for empty cells.
    delimiter : str
        What stands between cells.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(as_cell(name) for name in columns)
    writer.writerows([as_cell(value) for value in row] for row in rows)
    return text.getvalue()


def as_cell(value: Cell) -> Cell:
    """Return what stands in a table for a value.

    Text that a spreadsheet would take for a formula gets an apostrophe in front, by which
    spreadsheets mark text; unprintable characters are escaped, see
    :func:`wsiseg.text.escape_unprintable`.
    """
    if not isinstance(value, str):
        return value
    text = escape_unprintable(value)
    formula = text.lstrip().startswith(_BEGINS_FORMULA) and not _is_number(text)
    return f"'{text}" if formula else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
