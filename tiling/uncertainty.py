"""How uncertain a pixel's class is, from the probabilities of all classes."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Uncertainty = Literal["entropy", "margin"]

Bytes = npt.NDArray[np.uint8]
Planes = npt.NDArray[np.unsignedinteger[Any]]


def measure_uncertainty(measure: Uncertainty, planes: Planes, whole: Planes | int = 255) -> Bytes:
    """Return how uncertain the class of every pixel is.

    Parameters
    ----------
    measure : {"entropy", "margin"}
        The entropy of the probabilities, divided by the logarithm of the number of classes; or 1
        less what the best is ahead of the second.
    planes : ndarray
        Unsigned integers ``(classes, H, W)``: probabilities, or weighted sums of them.
    whole : ndarray or int
        What stands for 1.0, ``(H, W)`` where it differs from pixel to pixel.

    Returns
    -------
    ndarray
        uint8 ``(H, W)``, 255 for 1.0: none of the classes is more likely than another.  0 if one
        alone is possible, and where all planes are 0: nothing is known there.

    Examples
    --------
    >>> planes = np.array([[[255, 85, 153, 0]], [[0, 85, 102, 0]], [[0, 85, 0, 0]]], np.uint8)
    >>> measure_uncertainty("entropy", planes).tolist()
    [[0, 255, 156, 0]]
    >>> measure_uncertainty("margin", planes).tolist()
    [[0, 255, 204, 0]]
    """
    if len(planes) == 1:
        return np.zeros(planes.shape[1:], np.uint8)
    return _entropy(planes) if measure == "entropy" else _margin(planes, whole)


def _entropy(planes: Planes) -> Bytes:
    """Return the entropy of probabilities that are made to sum up to 1, as rounded ones do not."""
    total = np.zeros(planes.shape[1:], np.float32)
    logarithms = np.zeros(planes.shape[1:], np.float32)
    for plane in planes:
        share = plane.astype(np.float32)
        total += share
        # Of 0 it is 0 · ln 1.
        logarithms += share * np.log(np.maximum(share, 1))
    total = np.maximum(total, 1)
    entropy = (np.log(total) - logarithms / total) / np.float32(math.log(len(planes)))
    return _as_bytes(entropy)


def _margin(planes: Planes, whole: Planes | int) -> Bytes:
    best, second = planes[0].copy(), np.zeros_like(planes[0])
    for plane in planes[1:]:
        np.maximum(second, np.minimum(best, plane), out=second)
        np.maximum(best, plane, out=best)
    ahead = (best - second).astype(np.float32) / np.maximum(whole, 1).astype(np.float32)
    margin = 255 - _as_bytes(ahead)
    margin[best == 0] = 0
    return margin


def _as_bytes(shares: npt.NDArray[np.float32]) -> Bytes:
    bytes_: Bytes = np.rint(255 * shares.clip(0, 1)).astype(np.uint8)
    return bytes_
