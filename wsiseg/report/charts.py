"""The geometry of small charts: ticks and paths, in percent, so that they fit any width.

Shapes are drawn in an SVG that is stretched to its place, and texts stand beside them in HTML, so
that they have the same size on a phone and on paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wsiseg.report.timing import Timing

_NICE = (1, 2, 2.5, 5, 10)
_NICE_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis.

    Attributes
    ----------
    at : float
        Percent of the axis.
    text : str
        What stands beside it.
    """

    at: float
    text: str


@dataclass(frozen=True)
class StepChart:
    """Throughput over the run.

    Attributes
    ----------
    area, line : str
        Paths of the steps, in percent of the chart.
    across, up : list of Tick
        Of seconds and of megapixels a second.
    before, after : tuple of float
        Begin and width, in percent, of what came before the first tile and after the last.
    stops : list of float
        Where the run was resumed, in percent.
    mean : float or None
        Height of the mean, in percent from above.
    """

    area: str
    line: str
    across: list[Tick]
    up: list[Tick]
    before: tuple[float, float]
    after: tuple[float, float]
    stops: list[float]
    mean: float | None


def step_chart(timing: Timing, seconds: float | None, mean: float | None) -> StepChart:
    """Return the chart of the throughput over the run.

    Parameters
    ----------
    timing : Timing
        Has the steps.
    seconds : float or None
        What the run took as a whole, if it is finished.
    mean : float or None
        Megapixels a second of the run as a whole.
    """
    resumed = bool(timing.resumed)
    # What the run file says of a resumed run begins with the last part.
    end = timing.end if seconds is None or resumed else max(seconds, timing.end)
    rates = [step.mpx_per_s for step in timing.steps]
    up = ticks(max(*rates, mean or 0.0, 1e-9))
    top = up[-1][0]
    corners: list[tuple[float, float]] = []
    for step in timing.steps:
        # Between a stop and the first tile after it, nothing was finished.
        if corners and 100 * step.begin / end > corners[-1][0] + 0.01:
            corners += [(corners[-1][0], 100), (100 * step.begin / end, 100)]
        height = 100 - 100 * step.mpx_per_s / top
        corners += [(100 * step.begin / end, height), (100 * step.end / end, height)]
    line = "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in corners)
    first, last = corners[0][0], corners[-1][0]
    return StepChart(
        area=f"{line}L{last:.2f} 100L{first:.2f} 100Z",
        line=line,
        across=[Tick(100 * value / end, text) for value, text in _time_ticks(end)],
        up=[Tick(100 - 100 * value / top, text) for value, text in up],
        before=(0.0, first),
        after=(last, 100 - last),
        stops=[100 * each / end for each in timing.resumed],
        mean=None if mean is None or resumed else 100 - 100 * mean / top,
    )


def ticks(most: float, count: int = 4) -> list[tuple[float, str]]:
    """Return round values from 0 to the first that is not below the most, and their texts.

    Parameters
    ----------
    most : float
        More than 0.
    count : int
        About how many steps.

    Examples
    --------
    >>> [text for _, text in ticks(1.7)]
    ['0', '0.5', '1', '1.5', '2']
    """
    rough = most / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in _NICE if nice * power >= rough * 0.999)
    last = math.ceil(most / step * 0.999)
    return [(step * i, f"{step * i:.6g}") for i in range(last + 1)]


def _time_ticks(end: float, count: int = 5) -> list[tuple[float, str]]:
    if end < 5:
        return [each for each in ticks(end, count) if each[0] <= end]
    step = next((s for s in _NICE_SECONDS if s >= end / count), 86400)
    return [(step * i, clock(step * i)) for i in range(math.floor(end / step) + 1)]


def clock(seconds: float) -> str:
    """Return seconds as people write them.

    Examples
    --------
    >>> clock(0), clock(0.0123), clock(12.34), clock(90), clock(3600), clock(90061)
    ('0', '12 ms', '12.3 s', '1:30 min', '1:00 h', '25:01 h')
    """
    if seconds <= 0:
        return "0"
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms" if seconds >= 0.001 else "< 1 ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"


def scale_bar(width: int, mpp: float | None) -> Tick | None:
    """Return the length and text of a scale bar of about a fifth of a picture's width.

    Parameters
    ----------
    width : int
        Of the picture in its pixels.
    mpp : float or None
        µm per pixel of the picture.

    Examples
    --------
    >>> scale_bar(1000, 0.5)
    Tick(at=20.0, text='100 µm')
    """
    if mpp is None:
        return None
    length = 0.22 * width * mpp
    power = 10.0 ** math.floor(math.log10(length))
    nice = max(step * power for step in (1, 2, 5) if step * power <= length * 1.001)
    text = f"{nice / 1000:g} mm" if nice >= 1000 else f"{nice:g} µm"
    return Tick(100 * nice / (width * mpp), text)


def stacked(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return where the parts of a stacked bar begin and how wide they are, in percent.

    Examples
    --------
    >>> stacked([1, 3])
    [(0.0, 25.0), (25.0, 75.0)]
    """
    total, parts, begin = sum(values) or 1.0, [], 0.0
    for value in values:
        parts.append((begin, 100 * value / total))
        begin += parts[-1][1]
    return parts
