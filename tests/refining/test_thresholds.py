"""Classes by thresholds of their probabilities."""

import numpy as np
import pytest

from wsiseg.refining.thresholds import apply_thresholds


def decide(label, probabilities, least):
    planes = np.array(probabilities, np.uint8)[:, None, None]
    labels = np.array([[label]], np.uint8)
    return int(apply_thresholds(labels, planes.__getitem__, len(planes), least)[0, 0])


@pytest.mark.parametrize(
    ("label", "probabilities", "least", "decided"),
    [
        # One threshold: below it the best of the others, from it on the class itself.
        (1, [70, 178, 7], {1: 179}, 0),
        (1, [70, 179, 6], {1: 179}, 1),
        (0, [170, 80, 5], {1: 77}, 1),
        (0, [200, 50, 5], {1: 77}, 0),
        # Several: the best of those that reach theirs.
        (0, [100, 90, 65], {1: 60, 2: 60}, 1),
        (0, [100, 90, 65], {1: 200, 2: 60}, 2),
        (0, [100, 90, 65], {1: 200, 2: 70}, 0),
        (1, [50, 105, 100], {1: 200, 2: 200}, 0),
        # A draw: the class that the network chose, else the lowest label.
        (2, [10, 120, 120], {1: 60, 2: 60}, 2),
        (0, [10, 120, 120], {1: 60, 2: 60}, 1),
        (2, [90, 75, 90], {1: 128}, 2),
        (1, [60, 130, 60], {1: 150}, 0),
        # What was not analysed stays.
        (255, [0, 0, 0], {1: 1}, 255),
    ],
)
def test_a_pixel(label, probabilities, least, decided):
    assert decide(label, probabilities, least) == decided
