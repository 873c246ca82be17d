"""Counts of pixels by true and predicted class, and the scores that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.annotations.labels import Labels
from wsiseg.errors import ArgumentError
from wsiseg.training.metrics.pairs import check_class_count, scored_pixels

PerClass = npt.NDArray[np.float64]


def ratio(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> PerClass:
    """Return `part` / `whole` element by element, NaN where the whole is 0.

    Parameters
    ----------
    part, whole : ndarray
        Numbers, of the same shape.

    Returns
    -------
    ndarray
        float64, of that shape.
    """
    shares = np.full(part.shape, np.nan)
    np.divide(part, whole, out=shares, where=whole != 0)
    return shares


def mean_of_known(values: PerClass) -> float:
    """Return the mean of what is not NaN; NaN if nothing is left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


class ConfusionMatrix:
    """Pixels of all pictures, counted by true and predicted class.

    Every score is computed from the one matrix over all pixels, as the public benchmarks do, and
    never as a mean of pictures' scores. A score of a class is NaN where it would be 0/0, and means
    over classes leave NaN out. For IoU and Dice that is a class found neither in the truth nor in
    the prediction; a class that is absent from the truth, but predicted somewhere, has IoU and
    Dice 0 and counts, as in the evaluation script of Cityscapes (NaN only without any true
    positive, false positive and false negative). For the recall of a class it is a class absent
    from the truth.

    Parameters
    ----------
    classes : int
        How many classes there are, from 1 to 255.

    Attributes
    ----------
    counts : ndarray
        int64 ``(classes, classes + 1)``: pixels; rows are the truth, columns the prediction. The
        last column holds those predicted as none of the classes: not analysed, or an extra class
        that only the network knows. They are errors of their true class.

    Raises
    ------
    ArgumentError
        If `classes` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> matrix = ConfusionMatrix(2)
    >>> matrix.add(np.uint8([[0, 0, 1, 255]]), np.uint8([[0, 1, 1, 1]]))
    >>> matrix.counts
    array([[1, 1, 0],
           [0, 1, 0]])
    >>> matrix.iou, matrix.mean_iou
    (array([0.5, 0.5]), 0.5)
    """

    def __init__(self, classes: int) -> None:
        check_class_count(classes)
        self.classes = classes
        self.counts = np.zeros((classes, classes + 1), np.int64)

    def add(self, truth: Labels, predicted: Labels) -> None:
        """Count the pixels of one picture or of a part of one.

        Parameters
        ----------
        truth : ndarray
            uint8 ``(H, W)``: indices of classes; pixels of 255 are not counted.
        predicted : ndarray
            uint8 ``(H, W)``: indices of classes, or any higher value for none of them.

        Raises
        ------
        ArgumentError
            If the labels are not uint8.
        DataSetError
            If the sizes differ, or the truth holds a label that is no class (a `ValueError`).
        """
        known = scored_pixels(truth, predicted, self.classes)
        columns = self.classes + 1
        cells = truth[known].astype(np.intp) * columns + np.minimum(predicted[known], self.classes)
        self.counts += np.bincount(cells, minlength=self.counts.size).reshape(self.counts.shape)

    def merge(self, other: ConfusionMatrix) -> None:
        """Add what another matrix over the same classes has counted.

        Raises
        ------
        ArgumentError
            If the number of classes differs.
        """
        if other.classes != self.classes:
            raise ArgumentError(
                "matrices over different classes cannot be merged",
                f"{self.classes} and {other.classes}",
            )
        self.counts += other.counts

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        total = ConfusionMatrix(self.classes)
        total.merge(self)
        total.merge(other)
        return total

    @property
    def pixels(self) -> int:
        """Pixels counted."""
        return int(self.counts.sum())

    @property
    def truth_pixels(self) -> npt.NDArray[np.int64]:
        """Pixels that truly belong to each class, int64 ``(classes,)``."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def predicted_pixels(self) -> npt.NDArray[np.int64]:
        """Pixels predicted as each class, int64 ``(classes,)``."""
        return np.asarray(self.counts[:, : self.classes].sum(axis=0))

    @property
    def hits(self) -> npt.NDArray[np.int64]:
        """Pixels of each class that were predicted as such, int64 ``(classes,)``."""
        return self.counts.diagonal().copy()

    @property
    def iou(self) -> PerClass:
        """Intersection over union of each class, float64 ``(classes,)``."""
        return ratio(self.hits, self.truth_pixels + self.predicted_pixels - self.hits)

    @property
    def mean_iou(self) -> float:
        """Mean of `iou` over classes that occur in the truth or in the prediction."""
        return mean_of_known(self.iou)

    @property
    def dice(self) -> PerClass:
        """Dice index (F1 of pixels) of each class, float64 ``(classes,)``."""
        return ratio(2 * self.hits, self.truth_pixels + self.predicted_pixels)

    @property
    def mean_dice(self) -> float:
        """Mean of `dice` over classes that occur in the truth or in the prediction."""
        return mean_of_known(self.dice)

    @property
    def pixel_accuracy(self) -> float:
        """Share of all pixels that were predicted rightly."""
        return self.hits.sum() / self.pixels if self.pixels else float("nan")

    @property
    def class_precision(self) -> PerClass:
        """Share of what was predicted as each class that truly is, float64 ``(classes,)``."""
        return ratio(self.hits, self.predicted_pixels)

    @property
    def mean_class_precision(self) -> float:
        """Mean of `class_precision` over classes that were predicted."""
        return mean_of_known(self.class_precision)

    @property
    def class_recall(self) -> PerClass:
        """Share of each class's true pixels that was found, float64 ``(classes,)``."""
        return ratio(self.hits, self.truth_pixels)

    @property
    def mean_class_recall(self) -> float:
        """Mean of `class_recall` over classes that occur in the truth."""
        return mean_of_known(self.class_recall)

    @property
    def frequency_weighted_iou(self) -> float:
        """Mean of `iou`, each class weighted by its share of true pixels (Long et al., 2015)."""
        if not self.pixels:
            return float("nan")
        return float(np.nansum(self.iou * self.truth_pixels) / self.pixels)

    def grouped(self, groups: Sequence[int | None]) -> ConfusionMatrix:
        """Merge classes to categories, such as the seven of Cityscapes.

        Confusing two classes of one category is then no error.

        Parameters
        ----------
        groups : sequence of int or None
            The category of each class, counted from 0. None leaves a class out: its true pixels
            are not counted, and predicting it counts as none of the categories, where what was
            none of the classes stays.

        Returns
        -------
        ConfusionMatrix
            Over as many categories as the highest index requests for.

        Raises
        ------
        ArgumentError
            If there is not one entry per class, none of them is a category, or one is negative.
        """
        named = [group for group in groups if group is not None]
        if len(groups) != self.classes or not named or min(named) < 0:
            raise ArgumentError("every class needs a category from 0 on, or None", list(groups))
        merged = ConfusionMatrix(max(named) + 1)
        kept = np.array([group is not None for group in groups])
        # Without a category, a class is predicted into the last column, like what is no class.
        columns = [merged.classes if group is None else group for group in (*groups, None)]
        rows = np.array(named)[:, None]
        np.add.at(merged.counts, (rows, np.array(columns)[None]), self.counts[kept])
        return merged
