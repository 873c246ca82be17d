"""The energy of each tile, from the power between the moments at which tiles were finished."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from wsiseg.throughput.probes.power_meter import Energy, energies_that_count
from wsiseg.throughput.recorder import TileRow
from wsiseg.throughput.tile_costs import milliseconds


def joules_of_tiles(
    rows: Sequence[TileRow], energies: Sequence[Energy], began: float
) -> dict[int, float] | None:
    """Return the energy of each tile by its index; their sum is that of the run.

    A tile has what was consumed while it was worked at, and of what was consumed before the first
    and after the last, such as for making the network ready and for the pyramid, the same share as
    all others.

    Parameters
    ----------
    rows : sequence of TileRow
        All tiles of the run.
    energies : sequence of Energy
        What the probes measured during the run.
    began : float
        Seconds after which measuring began, as `finished_s` counts.

    Returns
    -------
    dict or None
        None where the hardware does not tell, or there are no tiles.
    """
    counted = energies_that_count(energies)
    if not counted or not rows:
        return None
    done = sorted(rows, key=lambda row: row.finished_s)
    moments = [seconds - began for seconds in _boundaries(done)]
    until = [sum(each) for each in zip(*(e.joules_at(moments) for e in counted), strict=True)]
    whole = sum(energy.joules or 0.0 for energy in counted)
    shared = (whole - (until[-1] - until[0])) / len(done)
    return {
        row.index: after - before + shared
        for row, (before, after) in zip(done, pairwise(until), strict=True)
    }


def _boundaries(done: Sequence[TileRow]) -> list[float]:
    """Return the moments between which tiles were worked at, one more than there are tiles.

    The tiles of a batch are finished almost together, so that each is given its own time before
    the next one's.
    """
    found = [done[-1].finished_s]
    for position in range(len(done) - 1, -1, -1):
        began = found[-1] - milliseconds(done[position]) / 1e3
        found.append(min(began, done[position - 1].finished_s) if position else began)
    return found[::-1]
