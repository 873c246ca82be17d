"""The probes by name; a new one is a file beside this one and an entry here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsiseg.registry import Registry

if TYPE_CHECKING:
    from wsiseg.throughput.probes.probe import Probe

PROBES: Registry[type[Probe]] = Registry(
    "probe",
    "wsiseg.probes",
    {
        "nvml": "wsiseg.throughput.probes.nvml:NvmlProbe",
        "jetson": "wsiseg.throughput.probes.jetson:JetsonProbe",
        "tegrastats": "wsiseg.throughput.probes.tegrastats:TegrastatsProbe",
        "rapl": "wsiseg.throughput.probes.rapl:RaplProbe",
        "battery": "wsiseg.throughput.probes.battery:BatteryProbe",
    },
)
