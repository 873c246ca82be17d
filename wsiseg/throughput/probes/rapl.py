"""RAPL: the energy counters of processor packages, Intel's and AMD's, as Linux's powercap tells.

https://docs.kernel.org/power/powercap/powercap.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from wsiseg.throughput.probes.probe import Probe, Reading
from wsiseg.throughput.probes.sysfs import ROOT, read_number, read_text


class _Counter:
    """A counter that begins anew when it is full.

    Parameters
    ----------
    zone : Path
        Its folder in sysfs.
    """

    def __init__(self, zone: Path) -> None:
        self._file = zone / "energy_uj"
        self._full = read_number(zone / "max_energy_range_uj") or 0.0
        self._last = read_number(self._file)
        self._total = 0.0

    @property
    def is_readable(self) -> bool:
        return self._last is not None

    def joules(self) -> float:
        """Return the energy since the counter was made."""
        now = read_number(self._file)
        if now is None or self._last is None:
            raise OSError(f"{self._file} cannot be read")
        gone = now - self._last
        self._total += gone if gone >= 0 else gone + self._full
        self._last = now
        return self._total / 1e6


class RaplProbe(Probe):
    """The energy of all processor packages, with the memory where it has a counter of its own.

    Parameters
    ----------
    zones : sequence of Path
        The zones of powercap whose energy is added.
    """

    covers = "the processor packages"

    def __init__(self, zones: list[Path]) -> None:
        self._counters = [_Counter(zone) for zone in zones]

    @classmethod
    def find(cls, device: str, root: Path = ROOT) -> Self | None:
        """Return a probe if this process may read the counters; see :meth:`.Probe.find`.

        Parameters
        ----------
        device : str
            The packages are read whatever it is, as they decode and stitch.
        root : Path
            Where sysfs is.
        """
        zones = [
            zone
            for zone in sorted((root / "class" / "powercap").glob("intel-rapl:*"))
            # Parts of packages are in their packages; "psys" is the platform with them in it.
            if (read_text(zone / "name") or "").startswith(("package", "dram"))
        ]
        readable = [zone for zone in zones if _Counter(zone).is_readable]
        return cls(readable) if readable else None

    def read(self) -> Reading:
        """Return the energy since the start; see :meth:`.Probe.read`."""
        return Reading(joules=sum(counter.joules() for counter in self._counters))
