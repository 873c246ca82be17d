"""The power rails of NVIDIA's Jetson boards, which an INA3221 measures.

Its driver tells millivolts and milliamperes of three channels by hwmon; older releases of the
board's software tell milliwatts by IIO.  One rail is the supply of the whole module.
https://docs.kernel.org/hwmon/ina3221.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wsiseg.throughput.probes.probe import Probe, Reading
from wsiseg.throughput.probes.sysfs import ROOT, read_number, read_text

WHOLE_RAILS = ("VDD_IN", "POM_5V_IN", "VIN_SYS_5V0", "SYS_VIN_HV")
"""What the supply of the whole module is called, on one board or another."""


@dataclass(frozen=True)
class _Rail:
    """One channel of the sensor.

    Attributes
    ----------
    name : str
        What the board calls it.
    factors : tuple of Path
        Files whose product is its power.
    unit : float
        Of that product, in W.
    """

    name: str
    factors: tuple[Path, ...]
    unit: float

    def watts(self) -> float | None:
        product = self.unit
        for file in self.factors:
            value = read_number(file)
            if value is None:
                return None
            product *= value
        return product


class JetsonProbe(Probe):
    """The power of a Jetson module.

    Parameters
    ----------
    rail : Path
        The rail that supplies all of it.
    """

    covers = "the whole module"
    is_whole = True

    def __init__(self, rail: _Rail) -> None:
        self._rail = rail

    @classmethod
    def find(cls, device: str, root: Path = ROOT) -> Self | None:
        """Return a probe if the board has such a sensor; see :meth:`.Probe.find`.

        Parameters
        ----------
        device : str
            Whatever it is, the rail feeds it.
        root : Path
            Where sysfs is.
        """
        rails = {rail.name: rail for rail in _rails(root) if rail.watts() is not None}
        whole = next((rails[name] for name in WHOLE_RAILS if name in rails), None)
        return None if whole is None else cls(whole)

    def read(self) -> Reading:
        """Return the power of the module; see :meth:`.Probe.read`."""
        return Reading(watts=self._rail.watts())


def _rails(root: Path) -> Iterator[_Rail]:
    for sensor in sorted(root.glob("bus/i2c/drivers/ina3221*/*/hwmon/hwmon*")):
        for label in sorted(sensor.glob("in*_label")):
            number = label.name.removeprefix("in").removesuffix("_label")
            factors = (sensor / f"in{number}_input", sensor / f"curr{number}_input")
            yield _Rail(read_text(label) or "", factors, 1e-6)
    for sensor in sorted(root.glob("bus/i2c/drivers/ina3221*/*/iio:device*")):
        for label in sorted(sensor.glob("rail_name_*")):
            number = label.name.removeprefix("rail_name_")
            yield _Rail(read_text(label) or "", (sensor / f"in_power{number}_input",), 1e-3)
