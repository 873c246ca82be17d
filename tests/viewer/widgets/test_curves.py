"""Curves on the screen: nothing is drawn that nobody measured."""

import numpy as np
import pytest

from wsiseg.viewer.widgets.curves import Curve, Curves, ticks

PLOTS = {"loss": {"train_loss": Curve("training", "#4c9be8")}}


def grey_lines(curves):
    """Return how many rows of pixels are one colour for most of their width, as grid lines are."""
    image = curves.grab().toImage()
    rows = [
        [image.pixelColor(x, y).getRgb()[:3] for x in range(image.width())]
        for y in range(image.height())
    ]
    pixels = np.array(rows)
    background = pixels[-1, -1]
    return int(((pixels != background).any(-1).mean(axis=1) > 0.6).sum())


def test_an_empty_chart_has_no_axes(qtbot):
    curves = Curves(PLOTS)
    qtbot.addWidget(curves)
    curves.resize(300, 160)
    curves.show()
    qtbot.waitExposed(curves)
    assert grey_lines(curves) == 0
    curves.show_points({"train_loss": []})
    assert grey_lines(curves) == 0
    curves.show_points({"train_loss": [(1.0, 0.5), (2.0, 0.4), (3.0, 0.1)]})
    assert grey_lines(curves) >= 2


@pytest.mark.parametrize(
    ("low", "high", "numbers"),
    [
        (0.0, 1.0, [0.0, 0.5, 1.0]),
        (0.12, 0.31, [0.2, 0.3]),
        (1, 12, [5.0, 10.0]),
        (3.0, 3.0, [3.0]),
    ],
)
def test_axes_have_round_numbers(low, high, numbers):
    assert ticks(low, high, 3) == numbers
