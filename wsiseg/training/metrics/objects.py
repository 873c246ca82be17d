"""Scores of whole objects, such as glands, as in the GlaS challenge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from wsiseg.errors import DataSetError
from wsiseg.training.metrics.pairs import check_shapes

Instances = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.int64]


def label_objects(mask: npt.NDArray[np.bool_], smallest: int = 0) -> Instances:
    """Tell the objects of a mask apart: its 8-connected parts.

    Parameters
    ----------
    mask : ndarray
        bool ``(H, W)``: pixels of the class in question.
    smallest : int, optional
        Parts of fewer pixels are dropped.

    Returns
    -------
    ndarray
        int32 ``(H, W)``: 0 for none, then 1, 2, … without a gap.
    """
    parts, number = ndimage.label(mask, np.ones((3, 3), np.bool_), output=np.int32)
    kept = np.bincount(parts.ravel(), minlength=number + 1) >= smallest
    kept[0] = False
    names = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    return np.asarray(names[parts])


class ObjectScore:
    """Object-level F1 and Dice of the GlaS challenge, over the objects of all pictures.

    After Sirinukunwattana et al., "Gland segmentation in colon histology images: The GlaS
    challenge contest" (Medical Image Analysis 35, 2017), section on evaluation metrics.

    *Detection.* The counterpart of a predicted object is the true object that it overlaps most (of
    equals, the one of the lowest label, as in the challenge's program). A predicted object is a
    true positive if it covers at least 50 % of its counterpart, else a false positive; a true
    object that no true positive belongs to is a false negative. The paper says "at least"; the
    challenge's program wants more than half, which differs only for objects covered to one half
    exactly.

    *Segmentation.* Each object has the Dice index with the object of the other side that it
    overlaps most, 0 if it overlaps none. The mean of the predicted objects and the mean of the true
    ones, both weighted by the objects' areas, are averaged.

    Both run over a whole set of pictures, as in the paper: true and false positives and negatives
    are added up, and the weights are shares of the area of all objects of all pictures. A picture
    without any object changes nothing.

    Attributes
    ----------
    true_positives, false_positives : int
        Predicted objects.
    false_negatives : int
        True objects that were missed.
    """

    def __init__(self) -> None:
        self.true_positives = 0
        self.false_positives = 0
        self.false_negatives = 0
        self._truth = _Weighted()
        self._predicted = _Weighted()

    def add(self, truth: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer]) -> None:
        """Count the objects of one picture.

        Where nobody knows the truth, both should be 0.

        Parameters
        ----------
        truth : ndarray
            int32 ``(H, W)``: a number for each true object, 0 for none.
        predicted : ndarray
            int32 ``(H, W)``: a number for each predicted object, 0 for none.

        Raises
        ------
        DataSetError
            If the sizes differ, or there are negative numbers.
        """
        check_shapes(truth, predicted)
        true_areas, true_objects = _areas(truth)
        areas, objects = _areas(predicted)
        true_ids, ids, shared = _overlaps(true_objects, objects, len(areas))
        partners, overlaps = _largest_overlaps(ids, true_ids, shared, len(areas))
        self._detect(partners, overlaps, true_areas)
        self._predicted.add(areas, true_areas[partners], overlaps)
        partners, overlaps = _largest_overlaps(true_ids, ids, shared, len(true_areas))
        self._truth.add(true_areas, areas[partners], overlaps)

    def _detect(self, partners: Numbers, overlaps: Numbers, true_areas: Numbers) -> None:
        """Count detections; entry 0 of each array is no object."""
        met = (overlaps > 0) & (2 * overlaps >= true_areas[partners])
        found = int(met.sum())
        self.true_positives += found
        self.false_positives += len(partners) - 1 - found
        self.false_negatives += len(true_areas) - 1 - len(np.unique(partners[met]))

    @property
    def f1(self) -> float:
        """F1 of detection, from 0 to 1; NaN without any object."""
        hits = 2 * self.true_positives
        total = hits + self.false_positives + self.false_negatives
        return hits / total if total else float("nan")

    @property
    def dice(self) -> float:
        """Object-level Dice index, from 0 to 1; NaN without any object."""
        if not self._truth.area and not self._predicted.area:
            return float("nan")
        return (self._truth.mean + self._predicted.mean) / 2


@dataclass
class _Weighted:
    """A mean of Dice indices, weighted by area."""

    area: int = 0
    dice: float = 0.0

    @property
    def mean(self) -> float:
        return self.dice / self.area if self.area else 0.0

    def add(self, areas: Numbers, partner_areas: Numbers, overlaps: Numbers) -> None:
        """Take in one picture's objects; entry 0 of each array is no object."""
        dice = 2 * overlaps[1:] / (areas[1:] + partner_areas[1:])
        self.area += int(areas[1:].sum())
        self.dice += float(areas[1:] @ dice)


def _areas(labels: npt.NDArray[np.integer]) -> tuple[Numbers, Numbers]:
    """Return the area of each object after an entry for none, and the objects counted from 1."""
    if labels.size and labels.min() < 0:
        raise DataSetError("the number of an object cannot be negative", int(labels.min()))
    names, objects = np.unique(labels, return_inverse=True)
    objects = objects.reshape(-1)
    if not names.size or names[0] != 0:
        objects = objects + 1
    areas = np.bincount(objects, minlength=1)
    areas[0] = 0
    return areas, objects


def _overlaps(truth: Numbers, predicted: Numbers, objects: int) -> tuple[Numbers, Numbers, Numbers]:
    """Return true object, predicted object and common pixels of every pair that meets."""
    both = (truth > 0) & (predicted > 0)
    # Only pairs that meet: a table of all pairs would not fit for the cells of a slide.
    pairs, shared = np.unique(truth[both] * objects + predicted[both], return_counts=True)
    return pairs // objects, pairs % objects, shared


def _largest_overlaps(
    owners: Numbers, others: Numbers, shared: Numbers, objects: int
) -> tuple[Numbers, Numbers]:
    """Return each owner's partner and their common pixels, 0 and 0 where it meets nobody."""
    order = np.lexsort((others, -shared, owners))
    _, first = np.unique(owners[order], return_index=True)
    best = order[first]
    partners = np.zeros(objects, np.int64)
    overlaps = np.zeros(objects, np.int64)
    partners[owners[best]] = others[best]
    overlaps[owners[best]] = shared[best]
    return partners, overlaps
