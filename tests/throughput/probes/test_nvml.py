"""NVML, by a stand-in for its library that answers as a driver has."""

import sys
from types import SimpleNamespace

import pytest

from wsiseg.throughput.probes import nvml
from wsiseg.throughput.probes.nvml import NvmlProbe
from wsiseg.throughput.probes.probe import Reading


class NVMLError(Exception):
    """What the library raises."""


class Library(SimpleNamespace):
    """One GPU, in the units in which NVML answers."""

    NVMLError = NVMLError
    NVML_CLOCK_SM = 1

    def __init__(self, **answers: object) -> None:
        super().__init__(answers=answers, begun=0)

    def nvmlInit(self) -> None:  # noqa: N802
        self.begun += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.begun -= 1

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        if uuid != "GPU-11d2":
            raise NVMLError
        return uuid

    def __getattr__(self, name: str) -> object:
        if not name.startswith("nvmlDeviceGet"):
            raise AttributeError(name)

        def answer(handle: str, *_: object) -> object:
            assert handle == "GPU-11d2"
            if name not in self.answers:
                raise NVMLError("Not Supported")
            return self.answers[name]

        return answer


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nvml, "_uuid", lambda number: ["GPU-11d2", "GPU-none"][number])
    monkeypatch.setattr(nvml.importlib.util, "find_spec", lambda _: object())

    def put(library: object) -> None:
        monkeypatch.setitem(sys.modules, "pynvml", library)

    return put


def test_milliwatts_millijoules_and_percent_become_ours(install) -> None:
    library = Library(
        nvmlDeviceGetPowerUsage=71_250,
        nvmlDeviceGetTotalEnergyConsumption=123_456_789,
        nvmlDeviceGetUtilizationRates=SimpleNamespace(gpu=87, memory=40),
        nvmlDeviceGetClockInfo=1980,
        nvmlDeviceGetMemoryInfo=SimpleNamespace(used=3 * 2**30),
    )
    install(library)
    probe = NvmlProbe.find("cuda:0")
    assert probe is not None
    assert probe.read() == Reading(71.25, 123_456.789, 0.87, 1980.0, 3072.0)
    probe.close()
    assert library.begun == 0


def test_what_a_gpu_does_not_tell_is_none(install) -> None:
    install(Library(nvmlDeviceGetPowerUsage=30_000))
    probe = NvmlProbe.find("cuda")
    assert probe is not None
    assert probe.read() == Reading(watts=30.0)


@pytest.mark.parametrize("device", ["cpu", "mps", "cuda:1"])
def test_there_is_no_probe_where_there_is_no_such_gpu(install, device: str) -> None:
    library = Library()
    install(library)
    assert NvmlProbe.find(device) is None
    assert library.begun == 0


def test_there_is_no_probe_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert NvmlProbe.find("cuda:0") is None
