"""Summarises a run: which share of its time each stage took, and which is the bottleneck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsiseg.throughput.recorder import TileRow

ADVICE = {
    "reading": ("more `readers`", "a faster disk", "a coarser `mpp`"),
    "network": ("a faster device", "a smaller network", "a coarser `mpp`"),
    "stitching": ("`blend=crop`",),
    "writing": ("a faster disk for the output",),
    "setup": (),
    "other": (),
}
"""What would help where a stage takes longest; nothing where small slides are like that."""

STAGES = {stage: stage for stage in ADVICE} | {"setup": "start-up", "other": "planning"}
"""What the stages are called in messages."""


@dataclass(frozen=True)
class TimeShares:
    """Shares of a run's wall time, between 0 and 1.

    Attributes
    ----------
    reading : float
        Waiting for tiles.
    network : float
        Inside the runtime.
    stitching : float
        Merging tiles.
    writing : float
        Waiting for the disk, pyramid included.
    setup : float
        Preparing the network.
    other : float
        The rest: overview, tissue detection, planning.
    """

    reading: float
    network: float
    stitching: float
    writing: float
    setup: float
    other: float

    @property
    def bottleneck(self) -> str:
        """The stage that took most of the time."""
        return max(ADVICE, key=lambda stage: float(getattr(self, stage)))


def time_shares(
    rows: Sequence[TileRow], seconds: float, finishing: float, setup: float, workers: int = 1
) -> TimeShares:
    """Return the share of a run's time that each stage took.

    Parameters
    ----------
    rows : sequence of TileRow
        All tiles of the run.
    seconds : float
        Wall time of the whole run.
    finishing : float
        Seconds of it spent on the last band, the pyramid and the metadata.
    setup : float
        Seconds of it spent on preparing the network.
    workers : int
        How many did the tiles side by side.

    Examples
    --------
    >>> row = TileRow(0, 0, 0, 50.0, 600.0, 100.0, 0.0, 100.0, 0.9, "done")
    >>> shares = time_shares([row], seconds=1.0, finishing=0.1, setup=0.0)
    >>> shares.network, shares.bottleneck
    (0.6, 'network')
    """
    each = 1e3 * workers
    reading = sum(row.wait_ms for row in rows) / each
    network = sum(row.forward_ms for row in rows) / each
    stitching = sum(row.stitch_ms for row in rows) / each
    writing = sum(row.write_ms for row in rows) / each + finishing
    whole = max(seconds, 1e-9)
    other = max(0.0, seconds - reading - network - stitching - writing - setup)
    parts = (reading, network, stitching, writing, setup, other)
    return TimeShares(*(round(part / whole, 4) for part in parts))
