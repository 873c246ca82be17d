"""Splits the annotations of one slide, by area, into those to train and to validate on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from wsiseg.annotations.labels import IGNORED
from wsiseg.text import plural
from wsiseg.training.datasets.dataset import DataSet
from wsiseg.training.datasets.parts import Cells, PartOfLabels
from wsiseg.training.datasets.working_resolution import WorkingResolution
from wsiseg.training.survey import read_reduced

_CELL = 8
"""Working pixels along a cell, at least."""
_MOST_CELLS = 512
"""Along the longer side."""
_LEAST = 2048
"""Annotated working pixels of the smaller part: scores on fewer mean nothing."""
_DRAWS = 200
_FAR = 0.5
"""By what share of itself the wanted area may be missed where whole regions are kept back."""

_SIDES = {"top": (0, False), "bottom": (0, True), "left": (1, False), "right": (1, True)}

Areas = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Annotated:
    """Annotated cells of a slide.

    Attributes
    ----------
    areas : ndarray
        float64 ``(classes, rows, columns)``: working pixels of each class in each cell.
    regions : ndarray
        int ``(rows, columns)``: numbers from 1 of what hangs together, 0 where nothing is.
    count : int
        Regions.
    """

    areas: Areas
    regions: npt.NDArray[np.int32]
    count: int


@dataclass(frozen=True)
class _Choice:
    """Cells to validate on.

    Attributes
    ----------
    cells : ndarray
        bool ``(rows, columns)``.
    what : str
        What they are, in words.
    """

    cells: Cells
    what: str


def split_slide(
    dataset: DataSet, resolution: WorkingResolution, share: float, seed: int
) -> tuple[DataSet, DataSet, str] | None:
    """Keep a share of one slide's annotated area back for validation.

    Whole annotated regions where there are enough of them, or else one end of every region.

    Parameters
    ----------
    dataset : DataSet
        Of one slide.
    resolution : WorkingResolution
        At which resolution it is looked at.
    share : float
        Of the annotated area, wanted for validation.
    seed : int
        Decides what is drawn.

    Returns
    -------
    (DataSet, DataSet, str) or None
        The data to train on, those to validate on, and how they were split; None where too little
        is annotated: every class is to be trained on, and two at least are to be scored.
    """
    (sample,) = dataset.samples
    found = _find_annotated(dataset, resolution)
    total = found.areas.sum((1, 2))
    best: tuple[float, _Choice] | None = None
    for choices in (_whole_regions(found, share, seed), _ends_of_regions(found, share)):
        for choice in choices:
            kept, left = (
                found.areas[:, cells].sum(1) for cells in (choice.cells, _rest(choice.cells))
            )
            if min(kept.sum(), left.sum()) < _LEAST or (left[total > 0] == 0).any():
                continue
            if (kept > 0).sum() < 2:
                continue
            cost = _distance(kept, total, share)
            if best is None or cost < best[0]:
                best = cost, choice
        if best is not None:
            break
    if best is None:
        return None
    cells, what = best[1].cells, best[1].what
    part = found.areas[:, cells].sum() / total.sum()
    note = (
        f"there is one slide only: {what} for validation, {part:.0%} of the annotated area; "
        "scores on other slides may be lower"
    )
    halves = (
        replace(sample, labels=PartOfLabels(sample.labels, _rest(cells))),
        # A name of its own: a list of names takes whole slides.
        replace(sample, name=f"{sample.name} (part)", labels=PartOfLabels(sample.labels, cells)),
    )
    training, validation = (replace(dataset, samples=(half,)) for half in halves)
    return training, validation, note


def _rest(cells: Cells) -> Cells:
    """Return the cells to train on: a cell beside what is kept back belongs to neither."""
    return np.asarray(~ndimage.binary_dilation(cells, np.ones((3, 3))))


def _find_annotated(dataset: DataSet, resolution: WorkingResolution) -> _Annotated:
    labels, step = read_reduced(dataset.samples[0], resolution)
    longest = max(labels.shape)
    edge = max(-(-_CELL // step), -(-longest // _MOST_CELLS))
    shape = tuple(-(-side // edge) for side in labels.shape)
    rows, columns = (
        # As the cells are looked up later: equal parts of the whole side.
        np.minimum(((np.arange(side) + 0.5) * (count / side)).astype(int), count - 1)
        for side, count in zip(labels.shape, shape, strict=True)
    )
    cell = rows[:, None] * shape[1] + columns
    known = (labels != IGNORED) & (labels < len(dataset.classes))
    areas = np.bincount(
        labels[known].astype(np.int64) * shape[0] * shape[1] + cell[known],
        minlength=len(dataset.classes) * shape[0] * shape[1],
    ).reshape(-1, *shape)
    regions, count = ndimage.label(areas.any(0), np.ones((3, 3)))
    return _Annotated(areas.astype(np.float64) * step**2, regions, count)


def _whole_regions(found: _Annotated, share: float, seed: int) -> Iterator[_Choice]:
    """Yield regions whose area is about what is wanted, drawn by the seed."""
    sizes = np.bincount(
        found.regions.ravel(), found.areas.sum(0).ravel(), minlength=found.count + 1
    )[1:]
    random = np.random.default_rng([seed, 3])
    for _ in range(_DRAWS if found.count > 1 else 0):
        order = random.permutation(found.count)
        sums = np.cumsum(sizes[order]) / sizes.sum()
        most = int(np.argmin(np.abs(sums[:-1] - share))) + 1
        if abs(sums[most - 1] - share) > _FAR * share:
            continue
        chosen = np.isin(found.regions, order[:most] + 1)
        yield _Choice(chosen, f"{most} of its {plural(found.count, 'annotated region')} are")


def _ends_of_regions(found: _Annotated, share: float) -> Iterator[_Choice]:
    """Yield one end of every region, at each of four sides."""
    whole = "its annotated region" if found.count == 1 else "each annotated region"
    for side, (axis, last) in _SIDES.items():
        cells = np.zeros(found.regions.shape, bool)
        for number, box in enumerate(ndimage.find_objects(found.regions), 1):
            inside = found.regions[box] == number
            lines = np.where(inside, found.areas[:, *box].sum(0), 0.0).sum(1 - axis)
            sums = np.cumsum(lines[::-1] if last else lines)
            count = int(np.argmin(np.abs(sums[:-1] / sums[-1] - share))) + 1 if len(sums) > 1 else 0
            place: list[slice] = [slice(None), slice(None)]
            place[axis] = slice(len(sums) - count, None) if last else slice(0, count)
            cells[box][tuple(place)] |= inside[tuple(place)]
        yield _Choice(cells, f"the {side} end of {whole} is")


def _distance(kept: Areas, total: Areas, share: float) -> float:
    """Return how far the kept classes are from all, in their shares and their sum."""
    shares = np.abs(kept / kept.sum() - total / total.sum()).sum()
    lost = ((kept == 0) & (total > 0)).sum()
    return float(shares + lost + abs(kept.sum() / total.sum() - share))
