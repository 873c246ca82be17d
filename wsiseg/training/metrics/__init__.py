"""Scores: how well predicted labels agree with true ones, as numbers, tables and pictures."""

from wsiseg.training.metrics.boundary import BoundaryScore
from wsiseg.training.metrics.confusion import ConfusionMatrix
from wsiseg.training.metrics.objects import ObjectScore, label_objects
from wsiseg.training.metrics.plots import plot_confusion, plot_curves
from wsiseg.training.metrics.report import describe_scores, scores_to_csv

__all__ = [
    "BoundaryScore",
    "ConfusionMatrix",
    "ObjectScore",
    "describe_scores",
    "label_objects",
    "plot_confusion",
    "plot_curves",
    "scores_to_csv",
]
