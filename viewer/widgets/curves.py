"""Curves that grow while they are looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from wsiseg.viewer.training_notes import Point


@dataclass(frozen=True)
class Curve:
    """How a curve looks.

    Attributes
    ----------
    label : str
        Stands in the legend.
    colour : str
        As Qt names it.
    """

    label: str
    colour: str


_LOWEST = 110
"""Height of a plot in pixels, at least: its numbers need room."""

NO_POINTS = "no values yet"
"""Stands where there is nothing to draw."""

Plots = Mapping[str, Mapping[str, Curve]]


class Curves(QWidget):
    """Figures of each epoch, one plot above the other.

    Parameters
    ----------
    plots : mapping of str to mapping of str to Curve
        From the title of each plot to its curves, and from the key of each to how it looks.
    """

    def __init__(self, plots: Plots) -> None:
        super().__init__()
        self.plots = plots
        self.points: Mapping[str, Sequence[Point]] = {}
        self.setMinimumHeight(_LOWEST * len(plots))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_plots(self, plots: Plots) -> None:
        """Draw with other titles and names."""
        self.plots = plots
        self.update()

    def show_points(self, points: Mapping[str, Sequence[Point]]) -> None:
        """Draw other figures: epochs and values of each curve, by its key."""
        self.points = points
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        height = self.height() / len(self.plots)
        for number, (title, curves) in enumerate(self.plots.items()):
            area = QRectF(0, number * height, self.width(), height)
            self._paint_plot(painter, area, title, curves)
        painter.end()

    def _paint_plot(
        self, painter: QPainter, area: QRectF, title: str, curves: Mapping[str, Curve]
    ) -> None:
        metrics = painter.fontMetrics()
        line = metrics.height()
        ink = self.palette().color(self.foregroundRole())
        painter.setPen(ink)
        painter.drawText(QPointF(area.left() + 4, area.top() + line), title)
        right = area.right() - 8
        for curve in reversed(list(curves.values())):
            right -= metrics.horizontalAdvance(curve.label)
            painter.setPen(QColor(curve.colour))
            painter.drawText(QPointF(right, area.top() + line), curve.label)
            right -= metrics.horizontalAdvance("   ")
        plot = area.adjusted(metrics.horizontalAdvance("0.0000"), 1.6 * line, -8, -1.4 * line)
        shown = [(curve, self.points.get(key, ())) for key, curve in curves.items()]
        if not any(points for _, points in shown):
            # Axes would show figures that nobody measured.
            painter.setPen(ink)
            painter.drawText(plot, Qt.AlignmentFlag.AlignCenter, NO_POINTS)
            return
        place = self._paint_axes(painter, plot, [p for _, points in shown for p in points])
        for curve, points in shown:
            painter.setPen(QPen(QColor(curve.colour), 1.6))
            painter.setBrush(QColor(curve.colour))
            placed = [place(point) for point in points]
            painter.drawPolyline(QPolygonF(placed))
            # One epoch alone is no line.
            for point in placed[-1:]:
                painter.drawEllipse(point, 2, 2)

    def _paint_axes(
        self, painter: QPainter, plot: QRectF, points: list[Point]
    ) -> Callable[[Point], QPointF]:
        """Draw grid and numbers; return where a point lies."""
        values = [value for _, value in points]
        low, high = min(values), max(values)
        slack = (high - low) * 0.05 or 0.05
        low, high = low - slack, high + slack
        last = max([epoch for epoch, _ in points] + [2.0])

        def place(point: Point) -> QPointF:
            across, up = (point[0] - 1) / (last - 1), (point[1] - low) / (high - low)
            return QPointF(plot.left() + across * plot.width(), plot.bottom() - up * plot.height())

        ink = self.palette().color(self.foregroundRole())
        faint = QColor(ink.red(), ink.green(), ink.blue(), 60)
        line = painter.fontMetrics().height()
        for value in ticks(low, high, 4):
            y = place((1.0, value)).y()
            painter.setPen(faint)
            painter.drawLine(QPointF(plot.left(), y), QPointF(plot.right(), y))
            painter.setPen(ink)
            beside = QRectF(plot.left() - 100, y - line / 2, 95, line)
            painter.drawText(beside, Qt.AlignmentFlag.AlignRight, f"{value:g}")
        for epoch in ticks(1, last, 6):
            if epoch == int(epoch):
                below = QRectF(place((epoch, low)).x() - 30, plot.bottom() + 2, 60, line)
                painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, f"{epoch:g}")
        return place


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers from `low` to `high`: 1, 2 or 5 of some power of ten apart.

    Parameters
    ----------
    low, high : float
        Ends of the axis.
    most : int
        Greatest number of steps between ticks.
    """
    if not high > low:
        return [low]
    least = (high - low) / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next(power * n for n in (1, 2, 5, 10, 20) if power * n >= least)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(n * step, 10) for n in range(first, last + 1)]
