"""The discharge of a battery, which is what the whole machine takes.

https://docs.kernel.org/power/power_supply_class.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from wsiseg.throughput.probes.probe import Probe, Reading
from wsiseg.throughput.probes.sysfs import ROOT, read_number, read_text


class BatteryProbe(Probe):
    """Power out of all batteries that are being discharged.

    Parameters
    ----------
    batteries : list of Path
        Their folders in sysfs.
    """

    covers = "the whole machine, by its battery"
    is_whole = True

    def __init__(self, batteries: list[Path]) -> None:
        self._batteries = batteries

    @classmethod
    def find(cls, device: str, root: Path = ROOT) -> Self | None:
        """Return a probe if the machine runs on its battery; see :meth:`.Probe.find`.

        Parameters
        ----------
        device : str
            Whatever it is, the battery feeds it.
        root : Path
            Where sysfs is.
        """
        found = [
            supply
            for supply in sorted((root / "class" / "power_supply").glob("*"))
            # A mouse has a battery, too.
            if read_text(supply / "type") == "Battery"
            and read_text(supply / "scope") != "Device"
            and _watts(supply) is not None
        ]
        return cls(found) if found else None

    def read(self) -> Reading:
        """Return the power that the batteries give; see :meth:`.Probe.read`."""
        powers = [_watts(battery) for battery in self._batteries]
        told = [watts for watts in powers if watts is not None]
        return Reading(watts=sum(told) if told else None)


def _watts(battery: Path) -> float | None:
    """Return the power that a battery gives, or None while it is charged."""
    if read_text(battery / "status") != "Discharging":
        return None
    microwatts = read_number(battery / "power_now")
    if microwatts is not None:
        return abs(microwatts) / 1e6
    microamperes = read_number(battery / "current_now")
    microvolts = read_number(battery / "voltage_now")
    if microamperes is None or microvolts is None:
        return None
    return abs(microamperes) * microvolts / 1e12
