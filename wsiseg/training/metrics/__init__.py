"""Scores: how well predicted labels agree with true ones, as numbers, tables and pictures."""

from wsiseg.training.metrics.boundary import BoundaryScore
from wsiseg.training.metrics.confusion import ConfusionMatrix
from wsiseg.training.metrics.differences import describe_difference
from wsiseg.training.metrics.objects import ObjectScore, label_objects
from wsiseg.training.metrics.plots import plot_confusion, plot_curves
from wsiseg.training.metrics.report import (
    describe_picture,
    describe_scores,
    pictures_to_csv,
    scores_to_csv,
)
from wsiseg.training.metrics.unit_counts import UnitCounts, pair_units

__all__ = [
    "BoundaryScore",
    "ConfusionMatrix",
    "ObjectScore",
    "UnitCounts",
    "describe_difference",
    "describe_picture",
    "describe_scores",
    "label_objects",
    "pair_units",
    "pictures_to_csv",
    "plot_confusion",
    "plot_curves",
    "scores_to_csv",
]
