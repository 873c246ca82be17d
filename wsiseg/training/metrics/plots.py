"""Scores as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wsiseg.errors import ArgumentError, RuntimeUnavailableError
from wsiseg.store.disk import translate_write_errors
from wsiseg.text import escape_unprintable
from wsiseg.training.metrics.confusion import ConfusionMatrix, ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 120
MOST_NUMBERED = 25
"""Classes up to which the cells of a matrix show numbers."""

LARGEST_EDGE = 24.0
"""Inches that a matrix of many classes may have."""

LONGEST_NAME = 28
"""Characters of a class name that are shown."""

ABSENT = "#dddddd"
"""Colour of rows without any pixel."""


def plot_confusion(matrix: ConfusionMatrix, names: Sequence[str], path: Path) -> None:
    """Draw a confusion matrix as a PNG.

    Rows are true classes and add up to 100 %; those of classes absent from the truth stay grey.
    Up to 25 classes, cells show their number too. What was predicted as none of the classes is a
    last column "other", if there is any.

    Parameters
    ----------
    matrix : ConfusionMatrix
        The counts.
    names : sequence of str
        The classes' names.
    path : Path
        The file to write; an existing file is overwritten.

    Raises
    ------
    ArgumentError
        If there are not as many names as classes.
    RuntimeUnavailableError
        If matplotlib is not installed.
    OutputError
        If the file cannot be written.
    """
    if len(names) != matrix.classes:
        raise ArgumentError(f"{len(names)} names do not fit {matrix.classes} classes", list(names))
    shares = ratio(matrix.counts, matrix.truth_pixels[:, None])
    columns = [*names, "other"]
    if not matrix.counts[:, -1].any():
        shares, columns = shares[:, :-1], columns[:-1]
    numbered = len(names) <= MOST_NUMBERED
    # Room for "100" in a numbered cell, for a line of small print in others; the rest is margins.
    cell, size = (0.42, 9) if numbered else (0.16, 7)
    figure = _new_figure(*(min(LARGEST_EDGE, 3 + cell * n) for n in (len(columns) + 1, len(names))))
    axes = figure.add_subplot()
    _draw_shares(axes, 100 * shares, numbered)
    # A dollar sign in a name is no formula.
    style: dict[str, Any] = {"fontsize": size, "parse_math": False}
    axes.set_xticks(range(len(columns)), [_shorten(name) for name in columns], rotation=90, **style)
    axes.set_yticks(range(len(names)), [_shorten(name) for name in names], **style)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title("% of each true class")
    figure.colorbar(axes.images[0], ax=axes, fraction=0.04, pad=0.02)
    _save(figure, path)


def plot_curves(rows: Sequence[Mapping[str, Any]], path: Path, scored: str = "validation") -> None:
    """Draw the course of a training as a PNG: loss and mIoU against the epoch.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of ``metrics.csv``, of which ``epoch``, ``train_loss``, ``val_loss`` and ``val_miou``
        are drawn. Values may be numbers or text; empty ones are left out.
    path : Path
        The file to write; an existing file is overwritten.
    scored : str
        Which data ``val_loss`` and ``val_miou`` are of: ``validation`` or ``training``.

    Raises
    ------
    RuntimeUnavailableError
        If matplotlib is not installed.
    OutputError
        If the file cannot be written.
    """
    figure = _new_figure(10, 4)
    loss, miou = figure.subplots(1, 2, sharex=True)
    _draw_curve(loss, rows, "train_loss", "training")
    _draw_curve(loss, rows, "val_loss", name_scored(scored))
    loss.set_ylabel("loss")
    if loss.lines:
        loss.legend()
    _draw_curve(miou, rows, "val_miou", name_scored(scored))
    miou.set_ylabel(f"{scored} mIoU")
    for axes in (loss, miou):
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(visible=True, alpha=0.3)
    _save(figure, path)


def name_scored(scored: str) -> str:
    """Return what the curve of scored data is called; what is trained on has one already."""
    return "training, as it is" if scored == "training" else scored


def _shorten(name: str) -> str:
    """Return a name that can be drawn and leaves room for the cells."""
    name = escape_unprintable(name)
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _draw_shares(axes: Axes, percents: npt.NDArray[np.float64], numbered: bool) -> None:
    """Colour the cells by their share, and write it into them."""
    axes.set_facecolor(ABSENT)
    axes.imshow(np.ma.masked_invalid(percents), cmap="Blues", vmin=0, vmax=100, aspect="auto")
    if not numbered:
        return
    # An empty cell is easier to pass over than a 0.
    for row, column in np.argwhere(percents > 0):
        percent = float(percents[row, column])
        axes.text(
            column,
            row,
            f"{percent:.0f}" if percent >= 0.5 else "<1",
            color="white" if percent > 60 else "black",
            ha="center",
            va="center",
            fontsize=8,
        )


def _draw_curve(axes: Axes, rows: Sequence[Mapping[str, Any]], column: str, label: str) -> None:
    """Draw one column against the epoch, unless it is empty throughout."""
    points = [
        (float(row["epoch"]), float(row[column]))
        for row in rows
        if row.get(column) not in {None, ""}
    ]
    if points:
        # Markers, as one epoch alone is no line.
        axes.plot(*zip(*points, strict=True), marker=".", label=label)


def _new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that many inches, drawn without any screen or global state."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RuntimeUnavailableError(
            "matplotlib is not installed", None, "Run: pip install 'wsiseg[train]'."
        ) from error
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG, whatever its name ends in."""
    with translate_write_errors(path):
        figure.savefig(path, format="png")
