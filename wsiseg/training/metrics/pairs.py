"""One picture's true and predicted labels: whether they can be compared, and where."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.errors import ArgumentError, DataSetError


def check_class_count(classes: int) -> None:
    """Refuse a number of classes that labels of one byte cannot tell apart.

    Raises
    ------
    ArgumentError
        Unless `classes` is from 1 to 255; 255 itself marks pixels without a label.
    """
    if not 1 <= classes <= IGNORED:
        raise ArgumentError("scores need from 1 to 255 classes", classes)


def check_shapes(truth: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> None:
    """Refuse what are not two planes of one size.

    Parameters
    ----------
    truth, predicted : ndarray
        Labels of the same picture, ``(H, W)``.

    Raises
    ------
    DataSetError
        If they are not.
    """
    if truth.ndim != 2 or truth.shape != predicted.shape:
        raise DataSetError(
            f"true labels of shape {truth.shape} cannot score "
            f"predicted ones of shape {predicted.shape}"
        )


def scored_pixels(truth: Labels, predicted: Labels, classes: int) -> npt.NDArray[np.bool_]:
    """Return which pixels of a picture take part in scores.

    Parameters
    ----------
    truth : ndarray
        uint8 ``(H, W)``: indices of classes, or 255 where nobody knows.
    predicted : ndarray
        uint8 ``(H, W)``; values from `classes` on stand for none of the classes.
    classes : int
        How many there are.

    Returns
    -------
    ndarray
        bool ``(H, W)``: true wherever the truth is known.

    Raises
    ------
    ArgumentError
        If the labels are of another type than uint8, which might hide negative ones.
    DataSetError
        If the two differ in size, or the truth holds a label that is no class.
    """
    if truth.dtype != np.uint8 or predicted.dtype != np.uint8:
        raise ArgumentError("labels to score must be uint8", f"{truth.dtype}, {predicted.dtype}")
    check_shapes(truth, predicted)
    known = truth != IGNORED
    strange = known & (truth >= classes)
    if strange.any():
        raise DataSetError(
            f"the true labels hold {truth[strange].min()}, but there are {classes} classes",
            hint="Check the class map.",
        )
    return np.asarray(known)
