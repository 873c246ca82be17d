"""Probes of Linux's sysfs, on trees as boards and laptops have them."""

from pathlib import Path

import pytest

from wsiseg.throughput.probes.battery import BatteryProbe
from wsiseg.throughput.probes.jetson import JetsonProbe
from wsiseg.throughput.probes.rapl import RaplProbe


def plant(root: Path, files: dict[str, object]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


def rapl(root: Path, **microjoules: int) -> Path:
    files: dict[str, object] = {}
    for zone, energy in microjoules.items():
        name, number = zone.rsplit("_", 1)
        folder = "class/powercap/intel-rapl:" + number.replace("x", ":")
        files |= {
            f"{folder}/name": name.replace("_", "-"),
            f"{folder}/energy_uj": energy,
            f"{folder}/max_energy_range_uj": 262143328850,
        }
    return plant(root, files)


def test_packages_and_their_memory_are_added_but_no_part_twice(tmp_path: Path) -> None:
    rapl(tmp_path, package_0=1_000_000, core_0x0=500_000, dram_0x1=100_000, package_1=7, psys_2=9)
    probe = RaplProbe.find("cpu", tmp_path)
    assert probe is not None
    assert probe.read().joules == 0
    rapl(tmp_path, package_0=4_000_000, core_0x0=9e9, dram_0x1=600_000, package_1=500_007, psys_2=8)
    reading = probe.read()
    assert reading.joules == pytest.approx(3 + 0.5 + 0.5)
    assert reading.watts is None


def test_a_counter_that_begins_anew_goes_on(tmp_path: Path) -> None:
    rapl(tmp_path, package_0=262143328850 - 2_000_000)
    probe = RaplProbe.find("cpu", tmp_path)
    assert probe is not None
    rapl(tmp_path, package_0=1_000_000)
    assert probe.read().joules == pytest.approx(3)
    rapl(tmp_path, package_0=5_000_000)
    assert probe.read().joules == pytest.approx(7)


def test_counters_that_may_not_be_read_are_none(tmp_path: Path) -> None:
    plant(tmp_path, {"class/powercap/intel-rapl:0/name": "package-0"})
    # A folder in place of the file fails to be read for root, too.
    (tmp_path / "class/powercap/intel-rapl:0/energy_uj").mkdir()
    assert RaplProbe.find("cpu", tmp_path) is None
    assert RaplProbe.find("cpu", tmp_path / "nothing") is None


def battery(root: Path, **content: object) -> Path:
    return plant(root, {f"class/power_supply/BAT0/{key}": value for key, value in content.items()})


def test_a_battery_tells_the_power_of_the_machine_while_it_is_discharged(tmp_path: Path) -> None:
    plant(tmp_path, {"class/power_supply/AC/type": "Mains", "class/power_supply/AC/online": 0})
    battery(tmp_path, type="Battery", status="Discharging", power_now=12_345_000)
    probe = BatteryProbe.find("cpu", tmp_path)
    assert probe is not None
    assert probe.is_whole
    assert probe.read().watts == pytest.approx(12.345)
    battery(tmp_path, status="Charging")
    assert probe.read().watts is None
    assert BatteryProbe.find("cpu", tmp_path) is None


def test_a_battery_that_tells_current_and_voltage(tmp_path: Path) -> None:
    battery(
        tmp_path, type="Battery", status="Discharging", current_now=-1_500_000, voltage_now=12e6
    )
    probe = BatteryProbe.find("cpu", tmp_path)
    assert probe is not None
    assert probe.read().watts == pytest.approx(18)


def test_the_battery_of_a_mouse_is_not_the_machine_s(tmp_path: Path) -> None:
    battery(tmp_path, type="Battery", scope="Device", status="Discharging", power_now=1000)
    assert BatteryProbe.find("cpu", tmp_path) is None


ORIN = "bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
XAVIER = "bus/i2c/drivers/ina3221x/1-0040/iio:device0"


def test_an_orin_tells_millivolts_and_milliamperes_of_its_rails(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            f"{ORIN}/in1_label": "VDD_IN",
            f"{ORIN}/in1_input": 4952,
            f"{ORIN}/curr1_input": 1016,
            f"{ORIN}/in2_label": "VDD_CPU_GPU_CV",
            f"{ORIN}/in2_input": 4952,
            f"{ORIN}/curr2_input": 200,
            f"{ORIN}/in3_label": "VDD_SOC",
        },
    )
    probe = JetsonProbe.find("cuda:0", tmp_path)
    assert probe is not None
    assert probe.is_whole
    assert probe.read().watts == pytest.approx(4.952 * 1.016)


def test_an_older_board_tells_milliwatts(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            f"{XAVIER}/rail_name_0": "POM_5V_IN",
            f"{XAVIER}/in_power0_input": 2871,
            f"{XAVIER}/rail_name_1": "POM_5V_GPU",
            f"{XAVIER}/in_power1_input": 40,
        },
    )
    probe = JetsonProbe.find("cpu", tmp_path)
    assert probe is not None
    assert probe.read().watts == pytest.approx(2.871)


def test_a_board_of_which_only_parts_are_told_tells_nothing(tmp_path: Path) -> None:
    plant(tmp_path, {f"{ORIN}/in1_label": "VDD_SOC", f"{ORIN}/in1_input": 5000})
    plant(tmp_path, {f"{ORIN}/curr1_input": 100})
    assert JetsonProbe.find("cpu", tmp_path) is None
