"""Accuracy against speed of networks, as the papers draw it."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsiseg.errors import ArgumentError, RuntimeUnavailableError
from wsiseg.text import plural

SUFFIXES = (".png", ".svg", ".pdf")

_DOTS_PER_INCH = 150


def check_plot(path: Path) -> None:
    """Refuse a picture that cannot be drawn, before anything is measured.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    ArgumentError
        If its name has another ending.
    RuntimeUnavailableError
        If matplotlib is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ArgumentError(
            f"the name of a plot must end with {', '.join(SUFFIXES)}", f"`plot` {path.name}"
        )
    if importlib.util.find_spec("matplotlib") is None:
        raise RuntimeUnavailableError(
            "matplotlib is not installed", "`plot`", "Run: pip install 'wsiseg[train]'."
        )


def draw(results: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw a point for each network at the first size: mean IoU, else parameters, against speed.

    Where every network has a mean IoU of its own, that is the vertical axis, and the area of a
    point grows with the parameters; otherwise the parameters are.

    Parameters
    ----------
    results : sequence of mapping
        What :func:`wsiseg.throughput.bench.bench` returned.
    path : Path
        A ``.png``, ``.svg`` or ``.pdf``; an existing file is overwritten.
    """
    from matplotlib.figure import Figure

    scored = all(result.get("miou") is not None for result in results)
    figure = Figure(figsize=(6.4, 4.4), dpi=_DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    for result in results:
        millions = result["parameters"] / 1e6
        height = 100 * result["miou"] if scored else millions
        area = 24 + 60 * millions**0.5 if scored else 48
        axes.scatter([result["fps"]], [height], s=area, alpha=0.75)
        axes.annotate(
            str(result["name"]),
            (result["fps"], height),
            xytext=(6, 6),
            textcoords="offset points",
            fontsize=8,
        )
    first = results[0]
    if _is_wide([result["fps"] for result in results]):
        axes.set_xscale("log")
    axes.set_xlabel(f"pictures of {first['width']}×{first['height']} a second")
    if scored:
        axes.set_ylabel("mean IoU of the checkpoint, %")
    else:
        if _is_wide([result["parameters"] for result in results]):
            axes.set_yscale("log")
        axes.set_ylabel("parameters, millions")
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_formatter("{x:g}")
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.margins(0.15)
    axes.set_title(
        f"{first['runtime']} in {first['precision']} on {first['device']}, "
        f"{plural(first['threads'], 'thread')}",
        fontsize=9,
    )
    figure.savefig(path, format=path.suffix.lower().removeprefix("."))


def _is_wide(figures: Sequence[float]) -> bool:
    """Tell whether figures are of so different orders that only logarithms show them all."""
    return max(figures) > 10 * min(figures)
