"""How well the outlines of classes are met: the boundary F-score."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from wsiseg.annotations.labels import Labels
from wsiseg.errors import ArgumentError
from wsiseg.training.metrics.confusion import PerClass, mean_of_known, ratio
from wsiseg.training.metrics.pairs import check_class_count, scored_pixels

SHARE_OF_DIAGONAL = 0.0075
"""Tolerance of Csurka et al., as a share of the picture's diagonal."""

Mask = npt.NDArray[np.bool_]
Points = npt.NDArray[np.intp]


class BoundaryScore:
    """Boundary F-score of each class, averaged over pictures.

    After Csurka, Larlus and Perronnin, "What is a good evaluation measure for semantic
    segmentation?" (BMVC 2013), and the boundary measure F of Perazzi et al. (DAVIS, CVPR 2016). A
    border pixel of a class has another label above, below, left or right of it. Precision is the
    share of a class's predicted border pixels that lie within the tolerance of one of its true
    border pixels, recall the share of the true ones that lie within it of a predicted one; F is
    their harmonic mean, for each class of each picture on its own.

    Neither the picture's edge nor the rim of an ignored area is a border, and ignored pixels have
    none: a data set that ignores a seam along every outline, as VOC does, leaves little to score.
    A class with borders in the truth only, or in the prediction only, has F = 0 in that picture;
    where it has none in either, the picture tells nothing about it and does not count for it. A
    class that has a true border in no picture at all, such as one whose shapes adjoin nothing that
    was annotated, has no score: nobody knows where its borders are.

    Parameters
    ----------
    classes : int
        How many classes there are, from 1 to 255.
    tolerance : float, optional
        Greatest distance in pixels at which borders match, itself included. By default 0.75 % of
        each picture's diagonal, but at least 1. Parts of a slide want a tolerance of their own,
        as their diagonal says nothing.

    Raises
    ------
    ArgumentError
        If `classes` is out of range or `tolerance` is negative.
    """

    def __init__(self, classes: int, tolerance: float | None = None) -> None:
        check_class_count(classes)
        if tolerance is not None and not 0 <= tolerance < math.inf:
            raise ArgumentError("a boundary tolerance must be 0 pixels or more", tolerance)
        self.classes = classes
        self.tolerance = tolerance
        self._pictures: list[PerClass] = []
        self._has_border = np.zeros(classes, np.bool_)

    def add(self, truth: Labels, predicted: Labels) -> None:
        """Score one picture.

        Parameters
        ----------
        truth : ndarray
            uint8 ``(H, W)``: indices of classes, or 255 where nobody knows.
        predicted : ndarray
            uint8 ``(H, W)``: indices of classes, or any higher value for none of them.

        Raises
        ------
        ArgumentError
            If the labels are not uint8.
        DataSetError
            If the sizes differ, or the truth holds a label that is no class.
        """
        known = scored_pixels(truth, predicted, self.classes)
        reach = self.tolerance
        if reach is None:
            reach = max(1.0, SHARE_OF_DIAGONAL * math.hypot(*truth.shape))
        wanted = _points_by_class(truth, known, self.classes)
        found = _points_by_class(predicted, known, self.classes)
        scores = [_f_score(w, f, reach) for w, f in zip(wanted, found, strict=True)]
        self._pictures.append(np.array(scores))
        self._has_border |= [len(points) > 0 for points in wanted]

    @property
    def per_class(self) -> PerClass:
        """Mean F of each class over the pictures that show a border of it; NaN without any.

        float64 ``(classes,)``.
        """
        return _mean_of_known(self._table, axis=0)

    @property
    def mean(self) -> float:
        """Mean over pictures of the mean F of a picture's classes; NaN without any border.

        Pictures weigh the same here, as in the published scores, and not classes: the mean of
        `per_class` is another number as soon as a class is missing from a picture.
        """
        return mean_of_known(_mean_of_known(self._table, axis=1))

    @property
    def _table(self) -> PerClass:
        """The F of every picture and class, ``(pictures, classes)``."""
        table = np.array(self._pictures).reshape(-1, self.classes)
        return np.where(self._has_border, table, np.nan)


def _mean_of_known(table: PerClass, axis: int) -> PerClass:
    return ratio(np.nansum(table, axis=axis), (~np.isnan(table)).sum(axis=axis))


def _points_by_class(labels: Labels, known: Mask, classes: int) -> list[Points]:
    """Return the border pixels of every class, as ``(y, x)``."""
    points = np.argwhere(_borders(labels, known))
    owners = labels[points[:, 0], points[:, 1]]
    order = np.argsort(owners, kind="stable")
    ends = np.searchsorted(owners[order], np.arange(classes), side="right")
    return np.split(points[order], ends)[:classes]


def _borders(labels: Labels, known: Mask) -> Mask:
    """Return the pixels next to another label, both of them known."""
    borders = np.zeros(labels.shape, np.bool_)
    across = (labels[1:] != labels[:-1]) & known[1:] & known[:-1]
    borders[1:] |= across
    borders[:-1] |= across
    along = (labels[:, 1:] != labels[:, :-1]) & known[:, 1:] & known[:, :-1]
    borders[:, 1:] |= along
    borders[:, :-1] |= along
    return borders


def _f_score(wanted: Points, found: Points, reach: float) -> float:
    """Return the F of one class in one picture, NaN if it has no border at all."""
    if not len(wanted) and not len(found):
        return float("nan")
    if not len(wanted) or not len(found):
        return 0.0
    precision = _share_within(found, wanted, reach)
    recall = _share_within(wanted, found, reach)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _share_within(points: Points, goals: Points, reach: float) -> float:
    """Return the share of `points` that have a goal within reach."""
    # Outlines are thin: a tree of their few points costs less than distances of all pixels.
    tree = KDTree(goals, balanced_tree=False, compact_nodes=False)
    # The tree's bound is exclusive, and roots of whole numbers are rounded.
    distances, _ = tree.query(points, distance_upper_bound=reach * (1 + 1e-9) + 1e-9)
    return float(np.isfinite(distances).mean())
