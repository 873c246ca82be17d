"""tegrastats, by lines that boards have printed."""

import stat
import time
from pathlib import Path

import pytest

from wsiseg.throughput.probes import tegrastats
from wsiseg.throughput.probes.probe import Reading
from wsiseg.throughput.probes.tegrastats import TegrastatsProbe, parse_line

ORIN_NANO = (
    "11-05-2023 10:33:12 RAM 2711/7620MB (lfb 4x4MB) SWAP 0/3810MB (cached 0MB) "
    "CPU [12%@1510,0%@1510,3%@1510,off,off,off] EMC_FREQ 1%@2133 GR3D_FREQ 61%@[612] "
    "VIC_FREQ 0%@115 APE 200 CV0@-256C CPU@47.5C SOC2@46.6C GPU@46.4C "
    "VDD_IN 4912mW/4890mW VDD_CPU_GPU_CV 520mW/500mW VDD_SOC 1440mW/1400mW"
)
NANO = (
    "RAM 2448/3964MB (lfb 9x4MB) SWAP 0/1982MB (cached 0MB) IRAM 0/252kB(lfb 252kB) "
    "CPU [24%@1479,18%@1479,15%@1479,21%@1479] EMC_FREQ 12%@1600 GR3D_FREQ 99%@921 APE 25 "
    "PLL@37C CPU@39.5C PMIC@100C GPU@37.5C AO@45C thermal@38.5C "
    "POM_5V_IN 4123/3980 POM_5V_GPU 1200/1100 POM_5V_CPU 800/700"
)


@pytest.mark.parametrize(
    ("line", "reading"),
    [
        (ORIN_NANO, Reading(4.912, None, 0.61, 612.0, 2711.0)),
        (NANO, Reading(4.123, None, 0.99, 921.0, 2448.0)),
        ("RAM 1/2MB GR3D_FREQ 0% VDD_SOC 1mW/1mW", Reading(None, None, 0.0, None, 1.0)),
        ("", Reading()),
    ],
)
def test_lines_of_several_releases(line: str, reading: Reading) -> None:
    assert parse_line(line) == reading


def test_the_program_is_followed_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "tegrastats"
    program.write_text(f"#!/bin/sh\nwhile :; do echo '{NANO}'; sleep 0.05; done\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    probe = TegrastatsProbe.find("cuda")
    assert probe is not None
    until = time.monotonic() + 20
    while probe.read().watts is None and time.monotonic() < until:
        time.sleep(0.02)
    assert probe.read().watts == 4.123
    probe.close()
    assert probe._process.poll() is not None
    # Where sysfs tells the same, no program is started.
    monkeypatch.setattr(tegrastats.JetsonProbe, "find", lambda _: object())
    assert TegrastatsProbe.find("cuda") is None
