"""tegrastats, the program of Jetson boards that prints a line of figures every so often.

https://docs.nvidia.com/jetson/archives/r36.4/DeveloperGuide/AT/JetsonLinuxDevelopmentTools/TegrastatsUtility.html
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from typing import Self

from wsiseg.throughput.probes.jetson import WHOLE_RAILS, JetsonProbe
from wsiseg.throughput.probes.probe import Probe, Reading

_MILLISECONDS = 250


class TegrastatsProbe(Probe):
    """The last line of tegrastats.

    Parameters
    ----------
    program : str
        Where it is.
    """

    covers = "the whole module"
    is_whole = True

    def __init__(self, program: str) -> None:
        self._last = Reading()
        self._process = subprocess.Popen(
            [program, "--interval", str(_MILLISECONDS)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    @classmethod
    def find(cls, device: str) -> Self | None:
        """Return a probe if the program is there and sysfs does not tell the same at less cost.

        Parameters
        ----------
        device : str
            Whatever it is, it is part of the module.
        """
        program = shutil.which("tegrastats")
        if program is None or JetsonProbe.find(device) is not None:
            return None
        return cls(program)

    def read(self) -> Reading:
        """Return what the last line says; see :meth:`.Probe.read`."""
        return self._last

    def close(self) -> None:
        """End the program."""
        self._process.terminate()
        self._process.wait()
        self._thread.join()

    def _follow(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._last = parse_line(line)


def parse_line(line: str) -> Reading:
    """Return what a line of tegrastats says.

    Parameters
    ----------
    line : str
        As it is printed, ``RAM 2448/7763MB … GR3D_FREQ 61%@[905] … VDD_IN 5032mW/4890mW``; units
        and brackets are missing in older versions.

    Examples
    --------
    >>> parse_line("RAM 2448/7763MB GR3D_FREQ 61%@[905] VDD_IN 5032mW/4890mW VDD_SOC 1200mW/1100mW")
    Reading(watts=5.032, joules=None, utilisation=0.61, clock_mhz=905.0, memory_mb=2448.0)
    """
    rails = dict(re.findall(r"(\w+) (\d+)(?:mW)?/\d+(?:mW)?(?= |$)", line))
    whole = next((float(rails[name]) / 1e3 for name in WHOLE_RAILS if name in rails), None)
    graphics = re.search(r"GR3D_FREQ (\d+)%(?:@\[?(\d+))?", line)
    memory = re.search(r"RAM (\d+)/\d+MB", line)
    return Reading(
        watts=whole,
        utilisation=int(graphics[1]) / 100 if graphics else None,
        clock_mhz=float(graphics[2]) if graphics and graphics[2] else None,
        memory_mb=float(memory[1]) if memory else None,
    )
