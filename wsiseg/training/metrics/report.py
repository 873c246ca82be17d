"""Scores as a JSON document and as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from wsiseg.csv_tables import to_csv
from wsiseg.errors import ArgumentError
from wsiseg.training.metrics.boundary import BoundaryScore
from wsiseg.training.metrics.confusion import ConfusionMatrix, PerClass
from wsiseg.training.metrics.objects import ObjectScore

COLUMNS = (
    *("class", "iou", "dice", "precision", "recall", "boundary_f"),
    *("truth_pixels", "predicted_pixels"),
)
"""Columns of the table that `scores_to_csv` writes."""


def describe_scores(
    matrix: ConfusionMatrix,
    names: Sequence[str],
    categories: Mapping[str, str] | None = None,
    boundary: BoundaryScore | None = None,
    objects: ObjectScore | None = None,
) -> dict[str, Any]:
    """Return all scores as ``wsiseg evaluate --json`` prints them.

    Parameters
    ----------
    matrix : ConfusionMatrix
        Pixels of all pictures.
    names : sequence of str
        The classes' names, no two the same.
    categories : mapping of str to str, optional
        The category of a class, by their names; classes that it does not name belong to none.
    boundary : BoundaryScore, optional
        Boundary F-scores of the same classes.
    objects : ObjectScore, optional
        Scores of objects.

    Returns
    -------
    dict
        Numbers, and numbers by class name: ``pixels``, ``miou``, ``pixel_accuracy``,
        ``mean_dice``, ``class_iou``, ``class_dice``, ``class_precision``,
        ``mean_class_precision``, ``class_recall``, ``mean_class_recall``,
        ``frequency_weighted_iou``, ``confusion`` (rows of pixels, as in `ConfusionMatrix.counts`);
        with categories ``category_iou`` and ``category_miou``; with boundaries ``boundary_f`` and
        ``mean_boundary_f``; with objects ``object_f1`` and ``object_dice``. What cannot be told is
        None, as JSON has no NaN.

    Raises
    ------
    ArgumentError
        If the names do not fit the matrix, the categories or the boundary score.
    """
    _check_names(matrix, names, categories, boundary)
    scores: dict[str, Any] = {
        "pixels": matrix.pixels,
        "miou": _plain(matrix.mean_iou),
        "pixel_accuracy": _plain(matrix.pixel_accuracy),
        "mean_dice": _plain(matrix.mean_dice),
        "class_iou": _by_name(names, matrix.iou),
        "class_dice": _by_name(names, matrix.dice),
        "class_precision": _by_name(names, matrix.class_precision),
        "mean_class_precision": _plain(matrix.mean_class_precision),
        "class_recall": _by_name(names, matrix.class_recall),
        "mean_class_recall": _plain(matrix.mean_class_recall),
        "frequency_weighted_iou": _plain(matrix.frequency_weighted_iou),
        "confusion": matrix.counts.tolist(),
    }
    if categories:
        scores |= _describe_categories(matrix, names, categories)
    if boundary is not None:
        scores["boundary_f"] = _by_name(names, boundary.per_class)
        scores["mean_boundary_f"] = _plain(boundary.mean)
    if objects is not None:
        scores["object_f1"] = _plain(objects.f1)
        scores["object_dice"] = _plain(objects.dice)
    return scores


def scores_to_csv(scores: Mapping[str, Any]) -> str:
    """Return the scores of each class as CSV text, with a last row "mean".

    Parameters
    ----------
    scores : mapping
        As `describe_scores` returns them.

    Returns
    -------
    str
        Scores with six decimals, pixels as they are; empty where a score cannot be told, was not
        computed, or has no mean. The means are those of `scores`: classes without a score are left
        out, and that of ``boundary_f`` is taken over pictures (`BoundaryScore.mean`).
    """
    confusion = scores["confusion"]
    keys = ("class_iou", "class_dice", "class_precision", "class_recall", "boundary_f")
    tables = [scores.get(key, {}) for key in keys]
    rows: list[list[str | int]] = []
    for index, name in enumerate(scores["class_iou"]):
        pixels = [sum(confusion[index]), sum(row[index] for row in confusion)]
        rows.append([name, *(_cell(table.get(name)) for table in tables), *pixels])
    means = ("miou", "mean_dice", "mean_class_precision", "mean_class_recall", "mean_boundary_f")
    rows.append(["mean", *(_cell(scores.get(key)) for key in means), "", ""])
    return to_csv(COLUMNS, rows)


def describe_picture(name: str, matrix: ConfusionMatrix, names: Sequence[str]) -> dict[str, Any]:
    """Return the scores of one picture or slide.

    Parameters
    ----------
    name : str
        What it is called.
    matrix : ConfusionMatrix
        Its pixels.
    names : sequence of str
        The classes' names.

    Returns
    -------
    dict
        ``picture``, ``pixels``, ``miou``, ``mean_dice``, ``pixel_accuracy`` and ``class_iou``, as
        in `describe_scores`.  A class that is neither there nor predicted has None, and means
        leave it out.
    """
    return {
        "picture": name,
        "pixels": matrix.pixels,
        "miou": _plain(matrix.mean_iou),
        "mean_dice": _plain(matrix.mean_dice),
        "pixel_accuracy": _plain(matrix.pixel_accuracy),
        "class_iou": _by_name(names, matrix.iou),
    }


def pictures_to_csv(pictures: Sequence[Mapping[str, Any]]) -> str:
    """Return the scores of every picture as CSV text, the worst first.

    Parameters
    ----------
    pictures : sequence of mapping
        As `describe_picture` returns them.
    """
    means = ("miou", "mean_dice", "pixel_accuracy")
    names = list(pictures[0]["class_iou"]) if pictures else []
    rows = [
        [
            each["picture"],
            each["pixels"],
            *(_cell(each[key]) for key in means),
            *(_cell(each["class_iou"][name]) for name in names),
        ]
        for each in sorted(pictures, key=worst_first)
    ]
    return to_csv(("picture", "pixels", *means, *(f"iou {name}" for name in names)), rows)


def worst_first(picture: Mapping[str, Any]) -> tuple[float, str]:
    """Return a key that sorts pictures by their mean IoU; what has none comes last."""
    miou = picture["miou"]
    return math.inf if miou is None else miou, picture["picture"]


def _check_names(
    matrix: ConfusionMatrix,
    names: Sequence[str],
    categories: Mapping[str, str] | None,
    boundary: BoundaryScore | None,
) -> None:
    """Refuse names that would mix up the scores of classes."""
    if len(names) != matrix.classes or len(set(names)) != len(names):
        raise ArgumentError(
            f"{matrix.classes} classes need as many different names", ", ".join(names)
        )
    strange = [name for name in categories or () if name not in names]
    if strange:
        raise ArgumentError("categories of classes that there are not", ", ".join(strange))
    if boundary is not None and boundary.classes != matrix.classes:
        raise ArgumentError(
            "boundaries and pixels were scored over different classes",
            f"{boundary.classes} and {matrix.classes}",
        )


def _describe_categories(
    matrix: ConfusionMatrix, names: Sequence[str], categories: Mapping[str, str]
) -> dict[str, Any]:
    """Return IoU by category, in the order in which the classes first name them."""
    order = list(dict.fromkeys(categories[name] for name in names if name in categories))
    groups = [order.index(categories[name]) if name in categories else None for name in names]
    merged = matrix.grouped(groups)
    return {
        "category_iou": _by_name(order, merged.iou),
        "category_miou": _plain(merged.mean_iou),
    }


def _by_name(names: Sequence[str], values: PerClass) -> dict[str, float | None]:
    return {name: _plain(float(value)) for name, value in zip(names, values, strict=True)}


def _plain(value: float) -> float | None:
    """Return a number that JSON can hold."""
    return None if math.isnan(value) else float(value)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
