"""Measures the energy of a run, by whatever probes its hardware has."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, pairwise
from types import TracebackType
from typing import Any, Self

import numpy as np

from wsiseg.throughput.probes.probe import Probe, Reading
from wsiseg.throughput.probes.registry import PROBES

_INTERVAL = 0.25
"""Seconds between readings."""
_MOST = 2000
"""Readings that are kept of a probe: with more, every other is dropped and the interval doubled."""


@dataclass(frozen=True)
class Sample:
    """A reading and its time.

    Attributes
    ----------
    seconds : float
        Since the start of the run.
    reading : Reading
        What the probe said.
    """

    seconds: float
    reading: Reading


@dataclass(frozen=True)
class Energy:
    """What one probe measured during a run.

    Attributes
    ----------
    covers : str
        What its power is that of.
    is_whole : bool
        Whether that is the whole machine.
    samples : tuple of Sample
        In the order of time.
    """

    covers: str
    is_whole: bool
    samples: tuple[Sample, ...]

    @property
    def joules(self) -> float | None:
        """Energy of the run: of the counter, else the power over time; None with too few readings.

        Examples
        --------
        >>> power = [Sample(0.0, Reading(watts=10.0)), Sample(2.0, Reading(watts=20.0))]
        >>> Energy("the GPU", False, tuple(power)).joules
        30.0
        """
        so_far = self._so_far()
        return so_far[-1][1] if so_far else None

    def joules_at(self, seconds: Sequence[float]) -> list[float]:
        """Return the energy from the first reading to some moments; needs :attr:`joules`.

        Parameters
        ----------
        seconds : sequence of float
            Since the start of the run.

        Examples
        --------
        >>> counter = [Sample(0.0, Reading(joules=50.0)), Sample(4.0, Reading(joules=90.0))]
        >>> Energy("the GPU", False, tuple(counter)).joules_at([1.0, 9.0])
        [10.0, 40.0]
        """
        times, joules = zip(*self._so_far(), strict=True)
        return [float(each) for each in np.interp(seconds, times, joules)]

    def _so_far(self) -> list[tuple[float, float]]:
        """Return seconds and the energy until then; nothing with too few readings."""
        counted = [
            (s.seconds, s.reading.joules) for s in self.samples if s.reading.joules is not None
        ]
        if len(counted) > 1:
            return [(seconds, joules - counted[0][1]) for seconds, joules in counted]
        told = [(s.seconds, s.reading.watts) for s in self.samples if s.reading.watts is not None]
        if len(told) < 2:
            return []
        pieces = ((t1 - t0) * (w0 + w1) / 2 for (t0, w0), (t1, w1) in pairwise(told))
        return list(zip((t for t, _ in told), accumulate(pieces, initial=0.0), strict=True))

    @property
    def seconds(self) -> float:
        """Time between the first reading and the last."""
        return self.samples[-1].seconds - self.samples[0].seconds if self.samples else 0.0

    def watts_over_time(self) -> list[tuple[float, float]]:
        """Return seconds since the start, and the power there, by the counter where it is told."""
        if any(each.reading.watts is not None for each in self.samples):
            return [
                (each.seconds, each.reading.watts)
                for each in self.samples
                if each.reading.watts is not None
            ]
        counted = [
            (each.seconds, each.reading.joules)
            for each in self.samples
            if each.reading.joules is not None
        ]
        return [(t1, (e1 - e0) / (t1 - t0)) for (t0, e0), (t1, e1) in pairwise(counted) if t1 > t0]


class PowerMeter:
    """Reads all probes of a run's hardware in a thread, as a context manager.

    Parameters
    ----------
    probes : mapping of str to Probe
        By their names; none where the hardware does not tell.

    Examples
    --------
    >>> with PowerMeter({}) as meter:
    ...     pass
    >>> meter.energies(), meter.joules()
    ({}, None)
    """

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        self._probes = dict(probes)
        self._samples: dict[str, list[Sample]] = {name: [] for name in probes}
        self._start = time.monotonic()
        self._interval = _INTERVAL
        self._stopped = threading.Event()
        self._reading = threading.Lock()
        self._thread = threading.Thread(target=self._sample_until_stopped, daemon=True)

    def __enter__(self) -> Self:
        self._start = time.monotonic()
        self._sample()
        if self._probes:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self._sample()
        for probe in self._probes.values():
            probe.close()

    def energies(self) -> dict[str, Energy]:
        """Return what each probe has measured so far, by its name."""
        with self._reading:
            return {
                name: Energy(probe.covers, probe.is_whole, tuple(self._samples[name]))
                for name, probe in self._probes.items()
            }

    def read(self) -> dict[str, Energy]:
        """Read all probes once more, and return :meth:`energies`."""
        self._sample()
        return self.energies()

    @property
    def elapsed(self) -> float:
        """Seconds since the start, as samples count them."""
        return time.monotonic() - self._start

    def joules(self) -> float | None:
        """Return the energy so far: of the whole machine if that is told, else of its parts."""
        return total_joules(list(self.energies().values()))

    def _sample_until_stopped(self) -> None:
        while not self._stopped.wait(self._interval):
            self._sample()

    def _sample(self) -> None:
        with self._reading:
            for name, probe in self._probes.items():
                # What a probe does not tell now, it may tell later.
                with suppress(OSError):
                    sample = Sample(self.elapsed, probe.read())
                    self._samples[name].append(sample)
            if any(len(samples) > _MOST for samples in self._samples.values()):
                for samples in self._samples.values():
                    # The first and the last stay, whose counters tell the energy.
                    del samples[1:-1:2]
                self._interval *= 2


def total_joules(energies: Sequence[Energy]) -> float | None:
    """Return the energy of the whole machine if that is told, else the sum of its parts.

    Parameters
    ----------
    energies : sequence of Energy
        What probes measured.
    """
    counted = energies_that_count(energies)
    return sum(each.joules or 0.0 for each in counted) if counted else None


def energies_that_count(energies: Sequence[Energy]) -> list[Energy]:
    """Return those whose sum is the energy of the run: of the whole machine, else of its parts.

    Parameters
    ----------
    energies : sequence of Energy
        What probes measured.
    """
    told = [each for each in energies if each.joules is not None]
    return [each for each in told if each.is_whole][:1] or told


def describe_power(energies: Mapping[str, Energy], megapixels: float) -> dict[str, Any] | None:
    """Return the power of a run for its run file; None where the hardware does not tell.

    Parameters
    ----------
    energies : mapping of str to Energy
        What each probe measured, by its name.
    megapixels : float
        What was analysed meanwhile.

    Examples
    --------
    >>> samples = [Sample(0.0, Reading(watts=10.0)), Sample(2.0, Reading(watts=20.0))]
    >>> power = describe_power({"nvml": Energy("the GPU", False, tuple(samples))}, megapixels=60.0)
    >>> power["joules"], power["mean_w"], power["joules_per_mpx"]
    (30.0, 15.0, 0.5)
    """
    joules = total_joules(list(energies.values()))
    seconds = max((each.seconds for each in energies.values()), default=0.0)
    if joules is None or not seconds:
        return None
    return {
        "joules": round(joules, 3),
        "mean_w": round(joules / seconds, 3),
        "joules_per_mpx": round(joules / megapixels, 5) if megapixels else None,
        "probes": {
            name: {
                "covers": each.covers,
                "joules": None if each.joules is None else round(each.joules, 3),
                "watts": [[round(t, 2), round(w, 3)] for t, w in each.watts_over_time()],
            }
            for name, each in energies.items()
        },
    }


def find_probes(device: str) -> dict[str, Probe]:
    """Return the probes of this machine's hardware by their names.

    Parameters
    ----------
    device : str
        Where the network runs: ``"cpu"``, ``"cuda:0"``, ….
    """
    found = ((name, kind.find(device)) for name, kind in PROBES.items())
    return {name: probe for name, probe in found if probe is not None}
