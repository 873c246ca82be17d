"""Uncertainty by its definition, and how far from it rounded probabilities may lead."""

import math

import numpy as np


def defined(measure, shares):
    """Return the uncertainty of probabilities ``(classes, ...)``, in float64."""
    shares = np.asarray(shares, np.float64)
    if measure == "margin":
        second, best = np.sort(shares, axis=0)[-2:]
        return 1 - (best - second)
    parts = np.where(shares > 0, shares * np.log(np.maximum(shares, 1e-300)), 0)
    return -parts.sum(0) / math.log(len(shares))


def allowed(measure, classes):
    """Return how much rounding the probabilities to bytes may change, beside the last rounding."""
    if measure == "margin":
        return 1 / 255
    # Fannes and Audenaert: by the distance between the distributions.
    far = (classes / 2) / (255 - classes / 2)
    spread = far * math.log(classes - 1) if classes > 2 else 0
    mixed = -far * math.log(far) - (1 - far) * math.log(1 - far)
    return (spread + mixed) / math.log(classes)
