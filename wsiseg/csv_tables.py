"""CSV tables that spreadsheets open without taking text for formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from wsiseg.text import escape_unprintable

_BEGINS_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""Characters with which a formula begins; some spreadsheets take the wide forms, too."""

Cell = str | int | float | None


def to_csv(
    columns: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    delimiter: str = ",",
    *,
    header: bool = True,
) -> str:
    """Return a table as CSV text: a header line, then a line per row, each ended by a line feed.

    Parameters
    ----------
    columns : sequence of str
        Column names.
    rows : iterable of sequences
        Cells: numbers, texts (see :func:`as_cell`), or None if empty.
    delimiter : str
        Character between cells.
    header : bool
        Whether to write the line of column names.

    Examples
    --------
    >>> print(to_csv(["class", "mm2"], [["gland", 1.5], ["=A1", None]]), end="")
    class,mm2
    gland,1.5
    '=A1,
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    if header:
        writer.writerow(as_cell(name) for name in columns)
    writer.writerows([as_cell(value) for value in row] for row in rows)
    return text.getvalue()


def as_cell(value: Cell) -> Cell:
    """Return a value as it is written to a cell.

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
