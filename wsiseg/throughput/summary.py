"""Where the time of a run went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsiseg.throughput.recorder import TileRow

ADVICE = {
    "reading": "more `readers`, a faster disk, or a coarser `mpp` would help",
    "network": "a faster device, a smaller network, or a coarser `mpp` would help",
    "stitching": "`blend=crop` costs least",
    "writing": "a faster disk for the output would help",
    "setup": "making the network ready counts less on larger slides, and once for several",
    "other": "planning and looking for tissue count less on larger slides",
}


@dataclass(frozen=True)
class TimeShares:
    """Shares of a run's wall time, between 0 and 1.

    Attributes
    ----------
    reading : float
        The network waited for tiles.
    network : float
        Inside the runtime.
    stitching : float
        Merging tiles.
    writing : float
        Waiting for the disk, pyramid included.
    setup : float
        Making the network ready.
    other : float
        What remains: the overview, tissue, planning.
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
    rows: Sequence[TileRow], seconds: float, finishing: float, setup: float
) -> TimeShares:
    """Share out a run's time over its stages.

    Parameters
    ----------
    rows : sequence of TileRow
        Every tile of the run.
    seconds : float
        Wall time of the whole run.
    finishing : float
        Seconds of it spent on the last band, the pyramid and the metadata.
    setup : float
        Seconds of it spent on making the network ready.
    """
    reading = sum(row.wait_ms for row in rows) / 1e3
    network = sum(row.forward_ms for row in rows) / 1e3
    stitching = sum(row.stitch_ms for row in rows) / 1e3
    writing = sum(row.write_ms for row in rows) / 1e3 + finishing
    whole = max(seconds, 1e-9)
    other = max(0.0, seconds - reading - network - stitching - writing - setup)
    parts = (reading, network, stitching, writing, setup, other)
    return TimeShares(*(round(part / whole, 4) for part in parts))
