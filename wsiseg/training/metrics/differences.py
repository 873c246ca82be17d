"""By how much two checkpoints differ, with the interval that a bootstrap gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap

from wsiseg.training.metrics.confusion import PerClass, ratio
from wsiseg.training.metrics.unit_counts import Counts

LEVEL = 0.95
"""Share of the resampled differences that lie within the interval."""

RESAMPLES = 9999
_AT_A_TIME = 1_000_000
"""Units that are drawn at a time: it bounds the memory."""

_Floats = npt.NDArray[np.float64]


def describe_difference(first: Counts, second: Counts, names: Sequence[str]) -> dict[str, Any]:
    """Return by how much the scores of the second differ from those of the first.

    The interval is that of a paired percentile bootstrap (Efron and Tibshirani, "An introduction
    to the bootstrap", 1993, chapter 13): units are drawn with replacement, the same for both, and
    scores follow from the sums over what was drawn.  A class that is not there in a drawing, and
    predicted by neither, says nothing in it.

    Parameters
    ----------
    first, second : ndarray
        int64 ``(units, 3, classes)``: hits, true and predicted pixels of the same units.
    names : sequence of str
        The classes.

    Returns
    -------
    dict
        ``miou``, ``mean_dice``, and by class name ``class_iou`` and ``class_dice``; each is a dict
        of ``value`` (second less first), ``low`` and ``high``, None where it cannot be told: an
        interval needs two units at least, that of a class two units that truly hold it.
    """
    value = _scores(second.sum(0)) - _scores(first.sum(0))
    low, high = _interval(first, second)
    holding = (first[:, 1] > 0).sum(0)
    enough = np.tile(np.concatenate([[len(first)], holding]) >= 2, 2)
    entries = [
        {"value": _plain(v), "low": _plain(a) if ok else None, "high": _plain(b) if ok else None}
        for v, a, b, ok in zip(value, low, high, enough, strict=True)
    ]
    iou, dice = entries[: len(names) + 1], entries[len(names) + 1 :]
    return {
        "miou": iou[0],
        "mean_dice": dice[0],
        "class_iou": dict(zip(names, iou[1:], strict=True)),
        "class_dice": dict(zip(names, dice[1:], strict=True)),
    }


def _interval(first: Counts, second: Counts) -> tuple[_Floats, _Floats]:
    """Return the ends of the interval of every score."""
    units, *shape = first.shape
    ends = np.full((2, 2 * (first.shape[-1] + 1)), np.nan)
    if units >= 2:
        sums = _draw_sums(np.stack([first, second], axis=1).reshape(units, -1))
        before, after = np.moveaxis(sums.reshape(2, *shape, -1), -1, 1)
        differences = _scores(after) - _scores(before)
        told = ~np.isnan(differences).all(axis=-1)
        tail = (1 - LEVEL) / 2
        ends[:, told] = np.nanquantile(differences[told], (tail, 1 - tail), axis=-1)
    return ends[0], ends[1]


def _draw_sums(counts: npt.NDArray[np.int64]) -> _Floats:
    """Draw units with replacement and return the sums of their counts.

    Parameters
    ----------
    counts : ndarray
        int64 ``(units, numbers)``.

    Returns
    -------
    ndarray
        float64 ``(numbers, RESAMPLES)``.
    """
    units = len(counts)
    # Numbers of pixels are exact as floats, too, whose products are quick.
    exact = counts.astype(np.float64)

    def sums(drawn: npt.NDArray[np.intp], axis: int = -1) -> _Floats:
        drawn = np.atleast_2d(np.moveaxis(drawn, axis, -1))
        rows = units * np.arange(len(drawn))[:, None]
        times = np.bincount((drawn + rows).ravel(), minlength=drawn.size).reshape(drawn.shape)
        return np.asarray((times @ exact).T)

    # Scores are computed from the sums afterwards: some drawings lack a class, which SciPy's own
    # intervals do not bear.
    drawn: _Floats = bootstrap(
        (np.arange(units),),
        sums,
        n_resamples=RESAMPLES,
        batch=max(1, _AT_A_TIME // units),
        vectorized=True,
        method="percentile",
        random_state=np.random.default_rng(0),
    ).bootstrap_distribution
    return drawn


def _scores(sums: npt.NDArray[Any]) -> _Floats:
    """Return the mean IoU, each class's, the mean Dice and each class's, along the first axis.

    Parameters
    ----------
    sums : ndarray
        ``(..., 3, classes)``: hits, true and predicted pixels.
    """
    hits, truth, predicted = (np.moveaxis(part, -1, 0) for part in np.moveaxis(sums, -2, 0))
    iou = ratio(hits, truth + predicted - hits)
    dice = ratio(2 * hits, truth + predicted)
    return np.concatenate([_mean(iou)[None], iou, _mean(dice)[None], dice])


def _mean(values: PerClass) -> PerClass:
    """Return the mean over the first axis of what is known."""
    return ratio(np.nansum(values, axis=0), (~np.isnan(values)).sum(axis=0))


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
