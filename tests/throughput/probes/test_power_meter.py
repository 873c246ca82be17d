"""Energy of a run: from counters, from power over time, and from nothing."""

import itertools
import time

import pytest

from wsiseg.throughput.probes import power_meter
from wsiseg.throughput.probes.power_meter import Energy, PowerMeter, Sample, find_probes
from wsiseg.throughput.probes.probe import Probe, Reading
from wsiseg.throughput.probes.registry import PROBES


class Steady(Probe):
    """Says the next of some readings, the last one ever after."""

    covers = "a stand-in"

    def __init__(self, *readings: Reading, whole: bool = False) -> None:
        self._readings = itertools.chain(readings, itertools.repeat(readings[-1]))
        self.is_whole = whole
        self.closed = False

    @classmethod
    def find(cls, device: str) -> None:
        return None

    def read(self) -> Reading:
        return next(self._readings)

    def close(self) -> None:
        self.closed = True


def energy(*samples: tuple[float, Reading], whole: bool = False) -> Energy:
    return Energy("x", whole, tuple(Sample(at, reading) for at, reading in samples))


def test_a_counter_is_believed_more_than_power() -> None:
    found = energy((0, Reading(watts=1, joules=100)), (10, Reading(watts=1, joules=150)))
    assert found.joules == 50
    assert found.watts_over_time() == [(0, 1), (10, 1)]


def test_power_between_the_readings_of_a_counter() -> None:
    found = energy((0, Reading(joules=5)), (2, Reading(joules=9)), (3, Reading(joules=9)))
    assert found.watts_over_time() == [(2, 2), (3, 0)]


def test_power_is_summed_over_uneven_times_and_gaps() -> None:
    found = energy((0, Reading(watts=10)), (1, Reading()), (4, Reading(watts=20)))
    assert found.joules == 60


def test_without_two_readings_there_is_no_figure() -> None:
    assert energy((0, Reading(watts=10))).joules is None
    assert energy((0, Reading()), (1, Reading(utilisation=0.5))).joules is None
    assert energy().joules is None


def test_parts_are_added_and_a_whole_machine_is_not() -> None:
    counters = Reading(joules=10), Reading(joules=14)
    with PowerMeter(
        {"a": Steady(*counters), "b": Steady(Reading(joules=0), Reading(joules=3))}
    ) as m:
        pass
    assert m.joules() == 7
    parts = {"a": Steady(*counters), "b": Steady(Reading(joules=0), Reading(joules=9), whole=True)}
    with PowerMeter(parts) as m:
        pass
    assert m.joules() == 9
    assert all(probe.closed for probe in parts.values())


def test_a_probe_that_falls_silent_ends_nothing() -> None:
    class Silent(Steady):
        def read(self) -> Reading:
            raise OSError("gone")

    with PowerMeter({"a": Silent(Reading())}) as meter:
        pass
    assert meter.joules() is None
    assert meter.energies()["a"].samples == ()


def test_long_runs_keep_a_bounded_number_of_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power_meter, "_INTERVAL", 1e-3)
    monkeypatch.setattr(power_meter, "_MOST", 8)
    counter = (Reading(joules=float(number)) for number in itertools.count())
    probe = Steady(Reading())
    monkeypatch.setattr(probe, "read", lambda: next(counter))
    with PowerMeter({"a": probe}) as meter:
        time.sleep(0.2)
    found = meter.energies()["a"]
    assert 2 <= len(found.samples) <= 9
    assert found.samples[0].reading.joules == 0
    assert found.joules == found.samples[-1].reading.joules
    assert found.joules >= 9


def test_every_probe_tells_without_fail_whether_it_is_of_use_here() -> None:
    for device in ("cpu", "cuda:0", "mps"):
        probes = find_probes(device)
        assert set(probes) <= set(PROBES)
        for probe in probes.values():
            assert isinstance(probe.read(), Reading)
            assert probe.covers
            probe.close()
