"""Tables of measurements, and the files that hold them: CSV, Parquet, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.csv_tables import to_csv
from wsiseg.errors import ArgumentError, OutputError
from wsiseg.store.disk import replace_when_complete

Table = Mapping[str, npt.NDArray[Any]]
"""Columns of equal length by name: text, whole numbers, or numbers with NaN where there is none."""

_AT_ONCE = 2**14
"""Rows that are turned into text at a time."""


def text_column(value: str, length: int) -> npt.NDArray[np.object_]:
    """Return a column that has the same text in each row.

    Parameters
    ----------
    value : str
        The text.
    length : int
        Rows.
    """
    return np.full(length, value, object)


def join_tables(tables: Sequence[Table]) -> Table:
    """Return tables with the same columns, one below the other."""
    if len(tables) == 1:
        # There may be millions of rows.
        return tables[0]
    return {name: np.concatenate([each[name] for each in tables]) for name in tables[0]}


def write_tables(path: Path, tables: Mapping[str, Table]) -> None:
    """Write tables to a file, whose ending tells its kind; it appears complete or not at all.

    Parameters
    ----------
    path : Path
        ``.csv`` and ``.parquet`` hold one table; ``.json`` holds an object with a list of rows for
        each.
    tables : mapping of str to Table
        The tables by name.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with replace_when_complete(path) as unfinished:
        WRITERS[path.suffix.lower()](unfinished, tables)


def check_writable(suffix: str) -> None:
    """Refuse a kind of file that cannot be written, before anything is measured.

    Parameters
    ----------
    suffix : str
        ``.csv``, ``.parquet`` or ``.json``.

    Raises
    ------
    ArgumentError
        If there is no such kind.
    OutputError
        If what writes it is not installed.
    """
    if suffix not in WRITERS:
        known = ", ".join(WRITERS)
        raise ArgumentError(
            f"tables are not written to files that end with {suffix!r}",
            "`output`",
            f"Use {known}, or a folder, whose name has no ending.",
        )
    if suffix == ".parquet":
        _pyarrow()


def _write_csv(path: Path, tables: Mapping[str, Table]) -> None:
    (table,) = tables.values()
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(to_csv(list(table), []))
        for rows in _rows(table):
            file.write(to_csv((), rows, header=False))


def _write_json(path: Path, tables: Mapping[str, Table]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for number, (name, table) in enumerate(tables.items()):
            file.write(f"{',' if number else '{'}\n{json.dumps(name)}: [")
            first = True
            for rows in _rows(table):
                texts = (json.dumps(dict(zip(table, row, strict=True))) for row in rows)
                file.write(("\n" if first else ",\n") + ",\n".join(texts))
                first = False
            file.write("\n]")
        file.write("\n}\n")


def _write_parquet(path: Path, tables: Mapping[str, Table]) -> None:
    pa, parquet = _pyarrow()
    (table,) = tables.values()
    columns = {}
    for name, column in table.items():
        values = _encodable(column) if column.dtype == object else column
        kind = pa.string() if values.dtype == object else pa.from_numpy_dtype(values.dtype)
        # NaN becomes null.
        columns[name] = pa.array(values, kind, from_pandas=True)
    parquet.write_table(pa.table(columns), path)


def _encodable(texts: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Return texts in which undecodable bytes of a file's name are escaped."""
    found = np.empty(len(texts), object)
    found[:] = [text.encode(errors="backslashreplace").decode() for text in texts]
    return found


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise OutputError(
            "Parquet files need pyarrow, which is not installed",
            None,
            "Install it with pip install 'wsiseg[parquet]', or write .csv or .json.",
        ) from error
    return pa, parquet


def _rows(table: Table) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows, some at a time; None where there is no number."""
    length = len(next(iter(table.values())))
    for first in range(0, length, _AT_ONCE):
        part = [_plain(values[first : first + _AT_ONCE]) for values in table.values()]
        yield list(zip(*part, strict=True))


def _plain(values: npt.NDArray[Any]) -> list[Any]:
    plain: list[Any] = values.tolist()
    if values.dtype.kind == "f" and np.isnan(values).any():
        return [None if math.isnan(value) else value for value in plain]
    return plain


WRITERS: Mapping[str, Callable[[Path, Mapping[str, Table]], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".json": _write_json,
}
"""What writes files, by their endings."""
