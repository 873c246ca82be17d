"""Where a run's time went: over the run, over the slide, and by stage."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.throughput.recorder import TileRow
from wsiseg.throughput.tile_costs import TilePlaces, milliseconds
from wsiseg.tiling.boxes import Box

STEPS = 255
"""Values of a heat map; the next one is clear."""

_MOST_STEPS, _SLOWEST = 60, 5
_LONGEST_MAP = 400
_USUAL = 99.0
"""Percentile that the heat map ends at, so that one tile does not make all others alike."""


@dataclass(frozen=True)
class Step:
    """Some tiles that were finished one after the other.

    Attributes
    ----------
    begin, end : float
        Seconds from the start of the run.
    mpx_per_s : float
        Megapixels of theirs a second.
    """

    begin: float
    end: float
    mpx_per_s: float


@dataclass(frozen=True)
class TimedTile:
    """A tile with what it cost.

    Attributes
    ----------
    row : TileRow
        Its row in the table.
    box : Box
        What it is there for, in working pixels.
    seconds : float
        By which it made the run longer.
    """

    row: TileRow
    box: Box
    seconds: float


@dataclass(frozen=True)
class Timing:
    """What the tiles of a run tell.

    Attributes
    ----------
    steps : list of Step
        In the order of time.
    resumed : list of float
        Seconds at which the run was gone on with after a stop.
    seconds : dict
        By stage: the sum over all tiles.
    slowest : list of TimedTile
        The slowest first.
    fastest, usual : float
        Seconds of the fastest tile, and of those at the upper end of the heat map.
    heat : ndarray
        uint8 ``(h, w)``: 0 for the fastest, 254 for the slowest, 255 where no tile was.
    """

    steps: list[Step]
    resumed: list[float]
    seconds: dict[str, float]
    slowest: list[TimedTile]
    fastest: float
    usual: float
    heat: npt.NDArray[np.uint8]

    @property
    def end(self) -> float:
        """When the last tile was finished."""
        return self.steps[-1].end


def time_tiles(
    rows: Sequence[TileRow],
    identity: Mapping[str, Any],
    *,
    batch: int = 1,
    megapixels: float | None = None,
    analysed: Sequence[Box] | None = None,
    last: int | None = None,
) -> Timing | None:
    """Return what the tiles of a run tell; None if there are none.

    Parameters
    ----------
    rows : sequence of TileRow
        By index.
    identity : mapping
        Of the run, see :func:`wsiseg.segmentation.provenance.identify`.
    batch : int
        Tiles that go through the network together.
    megapixels : float, optional
        That were analysed, if known: tiles overlap, and at the edge of a region they have fewer
        than their size.
    analysed : sequence of Box, optional
        The parts of the plane that those megapixels are of; all of it if left out.
    last : int, optional
        How many tiles the last part of a run that was resumed has done, if known.

    Raises
    ------
    LookupError, TypeError, ValueError
        If the identity says nothing of the tiles.
    """
    if not rows:
        return None
    places = TilePlaces.of_run(identity)
    boxes = [places.own_box(row) for row in rows]
    covered = _covered(boxes, analysed) / 1e6
    share = 1.0 if megapixels is None or not covered else megapixels / covered
    least = max(batch, -(-len(rows) // _MOST_STEPS))
    runs = _cut_at_stops(
        list(zip(rows, boxes, strict=True)), len(identity.get("windows", ())), last
    )
    steps: list[Step] = []
    resumed: list[float] = []
    for run in runs:
        before = steps[-1].end if steps else 0.0
        if steps:
            resumed.append(before)
        steps += _steps(run, before, share, least)
    costs = np.array([milliseconds(row) / 1e3 for row in rows])
    usual = float(np.percentile(costs, _USUAL, method="higher"))
    order = np.argsort(-costs, kind="stable")[:_SLOWEST].tolist()
    stages = ("read", "forward", "stitch", "write", "wait")
    return Timing(
        steps=steps,
        resumed=resumed,
        seconds={stage: sum(getattr(row, f"{stage}_ms") for row in rows) / 1e3 for stage in stages},
        slowest=[TimedTile(rows[i], boxes[i], float(costs[i])) for i in order],
        fastest=float(costs.min()),
        usual=usual,
        heat=_heat_map(costs, boxes, places.plane, usual),
    )


def _covered(boxes: Sequence[Box], parts: Sequence[Box] | None) -> int:
    """Return the pixels of all boxes, those of several as often, in some parts of the plane."""
    if parts is None:
        return sum(box.area for box in boxes)
    top, left, bottom, right = np.array([(b.y, b.x, b.bottom, b.right) for b in boxes]).T
    pixels = 0
    for part in parts:
        height = np.minimum(bottom, part.bottom) - np.maximum(top, part.y)
        width = np.minimum(right, part.right) - np.maximum(left, part.x)
        pixels += int((height.clip(0) * width.clip(0)).sum())
    return pixels


_Placed = tuple[TileRow, Box]


def _cut_at_stops(tiles: list[_Placed], windows: int, last: int | None) -> list[list[_Placed]]:
    """Cut tiles where the run was resumed: its clock began anew, or the last part began.

    Tiles are done in the order of their indices, but where the plane was cut into several columns.
    """
    if windows > 1:
        return [sorted(tiles, key=lambda each: each[0].finished_s)]
    stops = [
        place
        for place, (one, other) in enumerate(itertools.pairwise(tiles), 1)
        if other[0].finished_s < one[0].finished_s
    ]
    if not stops and last is not None and 0 < last < len(tiles):
        # The first part was that short.
        stops = [len(tiles) - last]
    return [tiles[a:b] for a, b in itertools.pairwise([0, *stops, len(tiles)])]


def _steps(tiles: list[_Placed], begin: float, share: float, least: int) -> list[Step]:
    """Return steps of so many tiles or more; those that were finished together stay together."""
    steps = []
    first = tiles[0][0]
    since = begin + max(0.0, first.finished_s - milliseconds(first) / 1e3)
    pixels, count = 0.0, 0
    for row, box in tiles:
        pixels, count, end = pixels + box.area * share / 1e6, count + 1, begin + row.finished_s
        if count >= least and end - since > 1e-3:
            steps.append(Step(since, end, pixels / (end - since)))
            since, pixels, count = end, 0.0, 0
    if count:
        end = max(begin + tiles[-1][0].finished_s, since + 1e-3)
        steps.append(Step(since, end, pixels / (end - since)))
    return steps


def _heat_map(
    costs: npt.NDArray[np.float64], boxes: list[Box], plane: tuple[int, int], usual: float
) -> npt.NDArray[np.uint8]:
    times = max(1.0, max(plane) / _LONGEST_MAP)
    heat = np.full([max(1, round(side / times)) for side in plane], STEPS, np.uint8)
    least = float(costs.min())
    scale = (STEPS - 1) / (usual - least) if usual > least else 0.0
    values = np.minimum((costs - least) * scale, STEPS - 1).round().astype(np.uint8)
    for value, box in zip(values.tolist(), boxes, strict=True):
        place = box.scaled(1 / times, 1 / times)
        heat[max(0, place.y) : place.bottom, max(0, place.x) : place.right] = value
    return heat
