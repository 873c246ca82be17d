"""Decides classes by thresholds of their probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from wsiseg.annotations.labels import IGNORED, Labels


def apply_thresholds(
    labels: Labels, probabilities: Callable[[int], Labels], classes: int, least: Mapping[int, int]
) -> Labels:
    """Return labels that keep to thresholds.

    A pixel belongs to the most probable of the classes that reach their thresholds; if none does,
    to the most probable of those without one.  Of equals it is the class that it had, else the one
    of the lowest label.

    Parameters
    ----------
    labels : ndarray
        uint8 ``(h, w)``; 255, which is not analysed, stays.
    probabilities : callable
        Gives those of a label: uint8 ``(h, w)``, 255 is 1.
    classes : int
        Their number.
    least : mapping of int to int
        The thresholds by labels, 1 to 255; not all classes have one.

    Returns
    -------
    ndarray
        uint8 ``(h, w)``.

    Examples
    --------
    >>> labels = np.array([[1, 1]], np.uint8)
    >>> planes = np.array([[[90, 40]], [[165, 215]]], np.uint8)
    >>> apply_thresholds(labels, lambda label: planes[label], 2, {1: 179}).tolist()
    [[0, 1]]
    """
    # Of each kind the most probable so far: those that reach their thresholds, and those without.
    taken = [np.full(labels.shape, IGNORED, np.uint8) for _ in range(2)]
    highest = [np.full(labels.shape, -1, np.int16) for _ in range(2)]
    for label in range(classes):
        plane, kind = probabilities(label), int(label not in least)
        better = (plane > highest[kind]) | ((plane == highest[kind]) & (labels == label))
        if label in least:
            better &= plane >= least[label]
        taken[kind][better] = label
        highest[kind][better] = plane[better]
    reached, others = taken
    decided = np.where(reached == IGNORED, others, reached)
    decided[labels == IGNORED] = IGNORED
    return decided
