"""The power of a run in its run file, by a stand-in for hardware that tells it."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import wsiseg
from tiny import tiny_checkpoint
from wsiseg.segmentation import segmenting
from wsiseg.throughput.probes.probe import Probe, Reading


class Counting(Probe):
    """Another joule at every reading."""

    covers = "a stand-in"

    def __init__(self) -> None:
        self.joules = 0.0
        self.closed = False

    @classmethod
    def find(cls, device: str) -> "Counting":
        return cls()

    def read(self) -> Reading:
        self.joules += 1
        return Reading(joules=self.joules, watts=7.0)

    def close(self) -> None:
        self.closed = True


def run(folder: Path) -> tuple[dict[str, object], wsiseg.SegmentResult]:
    Image.fromarray(np.full((300, 500, 3), 150, np.uint8)).save(folder / "a.png")
    settings = {"level": 0, "tissue": "none", "runtime": "torch", "tile": 128}
    result = wsiseg.segment(folder / "a.png", tiny_checkpoint(), folder / "out", **settings)
    return json.loads((folder / "out" / "a.run.json").read_text()), result


def test_power_stands_in_the_run_file_and_in_the_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = Counting()
    monkeypatch.setattr(segmenting, "find_probes", lambda _: {"counter": probe})
    content, result = run(tmp_path)
    power = content["power"]
    measured = power["probes"]["counter"]
    # Each reading is one more than the one before; the last is after the run file.
    assert power["joules"] == measured["joules"] == len(measured["watts"]) - 1
    assert probe.joules == power["joules"] + 2
    assert {watts for _, watts in measured["watts"]} == {7.0}
    assert power["joules_per_mpx"] == pytest.approx(power["joules"] / 0.15, abs=1e-4)
    assert content["power_w"] == power["mean_w"] > 0
    assert result.summary["power_w"] == power["mean_w"]
    assert result.summary["joules_per_mpx"] == power["joules_per_mpx"]
    assert probe.closed


class Broken(Counting):
    """Tells no number."""

    def read(self) -> Reading:
        return Reading(joules=np.nan, watts=np.nan)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes such as 0644 to look at")
def test_others_may_read_the_run_file_and_every_program_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usual_rights: None
) -> None:
    monkeypatch.setattr(segmenting, "find_probes", lambda _: {"counter": Broken()})
    run(tmp_path)
    path = tmp_path / "out" / "a.run.json"
    # JSON has neither NaN nor Infinity, and Python takes both where nothing is said.
    content = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert content["power"]["joules"] is None
    assert path.stat().st_mode & 0o777 == 0o644


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "out" / "a.tiles.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_tiles_have_their_part_of_the_energy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segmenting, "find_probes", lambda _: {"counter": Counting()})
    content, result = run(tmp_path)
    rows = table(tmp_path)
    assert list(rows[0])[-2:] == ["status", "joules"]
    assert len(rows) == result.summary["tiles"] > 4
    parts = [float(row["joules"]) for row in rows]
    assert min(parts) > 0
    assert sum(parts) == pytest.approx(content["power"]["joules"], abs=1e-4)


def test_where_the_hardware_tells_nothing_there_is_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segmenting, "find_probes", lambda _: {})
    content, result = run(tmp_path)
    assert content["power"] is content["power_w"] is None
    assert result.summary["power_w"] is result.summary["joules_per_mpx"] is None
    assert "joules" not in table(tmp_path)[0]
