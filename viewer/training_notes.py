"""What a training run notes in its folder: the figures of its epochs, and its warnings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from wsiseg.error_translation import translate_errors
from wsiseg.errors import DataSetError
from wsiseg.models.card import read_card
from wsiseg.training.run_folder import RunFolder

Point = tuple[float, float]
"""An epoch and its figure."""


def read_curves(run: Path, columns: Sequence[str]) -> dict[str, list[Point]]:
    """Return the epochs of a training and their figures, as far as they have some.

    Parameters
    ----------
    run : Path
        Its folder; without a run in it, there are no points.
    columns : sequence of str
        Of ``metrics.csv``.

    Raises
    ------
    DataSetError
        If they cannot be read.
    """
    folder = RunFolder(run)
    with translate_errors(
        lambda why: DataSetError(f"the curves cannot be read: {why}", folder.metrics)
    ):
        rows = folder.read_rows()
        return {
            column: [
                (float(row["epoch"]), value)
                for row in rows
                if row[column] and math.isfinite(value := float(row[column]))
            ]
            for column in columns
        }


def read_warnings(run: Path) -> list[str]:
    """Return what a training warned of, as its checkpoint says; nothing before there is one.

    Parameters
    ----------
    run : Path
        Its folder.

    Raises
    ------
    CheckpointError
        If the checkpoint is damaged.
    """
    best = RunFolder(run).best
    if not best.is_file():
        return []
    found = read_card(best)[0].training.get("warnings")
    return [str(each) for each in found] if isinstance(found, list) else []
