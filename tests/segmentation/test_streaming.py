"""Batches that are on their way while earlier ones are stitched."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from PIL import Image

from tiny import segment_tiny
from wsiseg.errors import DamagedSlideError, RuntimeUnavailableError
from wsiseg.models.runtimes import Running
from wsiseg.models.runtimes.torch import TorchRuntime
from wsiseg.throughput.recorder import rows_from_csv
from wsiseg.tiling import reading


class LateGpu:
    """A device that computes a batch only when its result is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
        self.events: list[str] = []
        self.failing: int | None = None
        device, start = self, TorchRuntime.start

        class Late(Running):
            @staticmethod
            def begin(runner: TorchRuntime, tiles: np.ndarray) -> Running:
                return Late(runner, tiles)

            def __init__(self, runner: TorchRuntime, tiles: np.ndarray) -> None:
                self.number = sum(each.startswith("start") for each in device.events)
                device.events.append(f"start {self.number}")
                self.runner, self.tiles = runner, tiles.copy()

            def result(self) -> dict[str, Any]:
                device.events.append(f"result {self.number}")
                if self.number == device.failing:
                    raise RuntimeError("the device fell off the bus")
                return start(self.runner, self.tiles).result()

        monkeypatch.setattr(TorchRuntime, "start", Late.begin)
        monkeypatch.setattr(TorchRuntime, "batches_ahead", ahead)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "noise.png"
    pixels = np.random.default_rng(2).integers(0, 256, (300, 420, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def labels(mask: Path) -> np.ndarray:
    return np.asarray(zarr.open_array(mask / "0", mode="r"))


SETTINGS: dict[str, Any] = {"level": 0, "tile": 96, "batch": 3, "readers": 1, "threads": 1}


@pytest.mark.parametrize("blend", ["crop", "gaussian"])
def test_masks_and_rows_do_not_depend_on_what_is_on_its_way(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blend: str
) -> None:
    read, bad = reading.read_working_box, []

    def spoilt(slide: Any, plane: Any, box: Any) -> Any:
        if box.y > 0 and box.x > 0:
            bad.append(box)
        if box in bad[:1]:
            raise DamagedSlideError("a tile of the file is damaged")
        return read(slide, plane, box)

    monkeypatch.setattr(reading, "read_working_box", spoilt)
    settings = {**SETTINGS, "blend": blend, "max_bad_tiles": 1}
    at_once = segment_tiny(picture, tmp_path / "at once", **settings)
    late = LateGpu(monkeypatch, ahead=1)
    mask = segment_tiny(picture, tmp_path / "late", **settings)
    np.testing.assert_array_equal(labels(mask), labels(at_once))
    tables = [rows_from_csv(each.parent / "noise.tiles.csv") for each in (at_once, mask)]
    kept = [[(r.index, r.y, r.x, r.status) for r in rows] for rows in tables]
    assert kept[0] == kept[1]
    assert "unread" in {status for *_, status in kept[1]}
    # One is begun before the one before it is waited for, and none more.
    batches = -(-len(kept[1]) // 3)
    expected = ["start 0"]
    for number in range(1, batches):
        expected += [f"start {number}", f"result {number - 1}"]
    assert late.events == [*expected, f"result {batches - 1}"]


def test_seconds_of_tiles_add_up_to_those_of_the_run(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LateGpu(monkeypatch, ahead=2)
    mask = segment_tiny(picture, tmp_path, **SETTINGS)
    rows = rows_from_csv(mask.parent / "noise.tiles.csv")
    spent = sum(r.wait_ms + r.forward_ms + r.stitch_ms + r.write_ms for r in rows) / 1e3
    summary = json.loads((mask.parent / "noise.run.json").read_text())["summary"]
    assert summary["forward_seconds"] > 0
    # Nothing is counted twice while batches overlap.
    assert spent <= summary["seconds"]


@pytest.mark.parametrize("failing", [0, 2])
def test_what_fails_on_its_way_is_told_like_what_fails_at_once(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    LateGpu(monkeypatch, ahead=1).failing = failing
    with pytest.raises(RuntimeUnavailableError) as caught:
        segment_tiny(picture, tmp_path, **SETTINGS)
    assert str(caught.value).startswith("torch cannot run the network: the device fell off the bus")
    assert caught.value.hint == "A smaller `tile` or `batch` needs less memory."


def test_what_a_runtime_did_otherwise_is_a_warning_of_the_run(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TorchRuntime, "notes", ("the network ran layer by layer",))
    mask = segment_tiny(picture, tmp_path, **SETTINGS)
    run = json.loads((mask.parent / "noise.run.json").read_text())
    assert run["warnings"][-1] == "the network ran layer by layer"


def test_runners_that_work_at_once_are_given_one_batch_at_a_time(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = LateGpu(monkeypatch, ahead=0)
    segment_tiny(picture, tmp_path, **SETTINGS)
    assert late.events == [
        f"{what} {n}" for n in range(len(late.events) // 2) for what in ("start", "result")
    ]
