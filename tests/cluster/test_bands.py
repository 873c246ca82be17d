"""Bands of one slide, and slides of a cohort, by workers: the bits of one process."""

import json
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile

import wsiseg
from commands import run
from spoiling import spoil_tile
from tiny import tiny_checkpoint
from wsiseg.cluster import connecting, open_cluster
from wsiseg.errors import ArgumentError, ClusterError, DamagedSlideError
from wsiseg.segmentation.listener import Listener
from wsiseg.tiling import Box

# Every other set of outputs would be compiled once more.
SETTINGS = {
    "runtime": "openvino",
    "slide_mpp": 0.5,
    "tile": 256,
    "halo": 16,
    "blend": "gaussian",
    "threads": 1,
    "readers": 1,
}


class Hearing(Listener):
    def __init__(self):
        self.tiles, self.said, self.expected = 0, [], 0

    def expects(self, tiles):
        self.expected = tiles

    def advanced(self, pixels):
        self.tiles += 1

    def warned(self, text):
        self.said.append(text)


class Killing(Hearing):
    def __init__(self, cluster, tile):
        super().__init__()
        self.cluster, self.tile = cluster, tile

    def advanced(self, pixels):
        super().advanced(pixels)
        if self.tiles == self.tile:
            # Not in the middle of a loop of the driver's.
            thread = threading.Thread(target=self.kill)
            thread.start()
            thread.join()

    def kill(self):
        os.kill(min(self.cluster.worker_pids().values()), signal.SIGKILL)


class Stopping(Hearing):
    def advanced(self, pixels):
        super().advanced(pixels)
        if self.tiles == 7:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def slide(tmp_path_factory, real_slide):
    with wsiseg.open_slide(real_slide) as opened:
        strip = opened.read_region(0, Box(0, 900, 2600, 256))
    path = tmp_path_factory.mktemp("slides") / "tall.tiff"
    tall = np.concatenate([strip, strip[::-1]])[:3200]
    tifffile.imwrite(path, tall, photometric="rgb", tile=(256, 256), compression="zlib")
    return path


@pytest.fixture(scope="module")
def cluster():
    with open_cluster(workers=1, threads=1) as opened:
        yield opened


def let_work(cluster, workers):
    cluster.client.cluster.scale(workers)
    cluster.client.wait_for_workers(workers, timeout=60)


def contents(folder: Path):
    timed = (".run.json", ".tiles.csv", ".lock")
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if not path.name.endswith(timed)
    }


def table(folder: Path):
    lines = (folder / "tall.tiles.csv").read_text().splitlines()
    return [(line.split(",")[:3], line.split(",")[-1]) for line in lines]


def run_file(folder: Path):
    return json.loads((folder / "tall.run.json").read_text())


@pytest.mark.parametrize(
    ("workers", "options"),
    [
        pytest.param(1, {"blend": "crop"}, marks=pytest.mark.long),
        pytest.param(
            2,
            {"blend": "crop", "uncertainty": "margin", "with_image": True, "min_area": "20um2"},
            marks=pytest.mark.long,
        ),
        (3, {"probabilities": True}),
    ],
)
def test_workers_leave_the_files_of_one_process(slide, tmp_path, cluster, workers, options):
    options = {**SETTINGS, **options}
    one = wsiseg.segment(slide, output=tmp_path / "one", **options)
    let_work(cluster, workers)
    heard = Hearing()
    many = wsiseg.segment(
        slide, output=tmp_path / "many", cluster=cluster, listener=heard, **options
    )
    assert contents(tmp_path / "many") == contents(tmp_path / "one")
    assert table(tmp_path / "many") == table(tmp_path / "one")
    assert many.summary["classes"] == one.summary["classes"]
    assert many.summary["warnings"] == one.summary["warnings"] == heard.said
    assert heard.tiles == heard.expected >= many.summary["tiles"]
    before, now = run_file(tmp_path / "one"), run_file(tmp_path / "many")
    assert now["identity"] == before["identity"]
    assert "workers" not in before
    who = now["workers"]
    assert 1 <= len(who) <= workers
    assert {each["host"] for each in who} == {os.uname().nodename}
    bands = sorted(band["y"] for each in who for band in each["bands"])
    assert bands == [0, 1024, 2048, 3072]
    assert sum(now["shares"].values()) < 1.6


def test_a_lost_worker_costs_only_its_unfinished_bands(slide, tmp_path, cluster):
    let_work(cluster, 3)
    wsiseg.segment(slide, output=tmp_path / "one", **SETTINGS)
    heard = Killing(cluster, 6)
    wsiseg.segment(slide, output=tmp_path / "many", cluster=cluster, listener=heard, **SETTINGS)
    assert contents(tmp_path / "many") == contents(tmp_path / "one")
    assert table(tmp_path / "many") == table(tmp_path / "one")
    who = run_file(tmp_path / "many")["workers"]
    assert [each["lost"] for each in who].count(True) == 1
    assert max(each["discarded_bands"] for each in who) <= 1
    assert any("was lost" in text for text in heard.said)


def test_a_driver_that_was_stopped_goes_on_alone(slide, tmp_path, cluster):
    let_work(cluster, 3)
    settings = {**SETTINGS, "probabilities": True}
    wsiseg.segment(slide, output=tmp_path / "one", **settings)
    with pytest.raises(KeyboardInterrupt):
        wsiseg.segment(
            slide, output=tmp_path / "many", cluster=cluster, listener=Stopping(), **settings
        )
    assert not (tmp_path / "many" / "tall.ome.zarr" / "zarr.json").exists()
    wsiseg.segment(slide, output=tmp_path / "many", resume=True, **settings)
    assert contents(tmp_path / "many") == contents(tmp_path / "one")


def test_slides_are_tasks_and_a_bad_one_stops_no_other(slide, tmp_path, cluster):
    let_work(cluster, 3)
    given = tmp_path / "given"
    given.mkdir()
    for name in ("a", "b", "d"):
        (given / f"{name}.tiff").write_bytes(slide.read_bytes())
    (given / "c.tiff").write_bytes(slide.read_bytes()[:4000])
    execution = cluster.execution(Killing(cluster, 6))
    out = tmp_path / "many"
    entries = list(wsiseg.segment_batch(given, output=out, execution=execution, **SETTINGS))
    status = {Path(entry["slide"]).name: entry["status"] for entry in entries}
    assert status == {"a.tiff": "ok", "b.tiff": "ok", "c.tiff": "failed", "d.tiff": "ok"}
    (reason,) = [entry["error"] for entry in entries if entry["error"]]
    assert "c.tiff" in reason
    wsiseg.segment(given / "b.tiff", output=tmp_path / "one", **SETTINGS)
    shards = contents(tmp_path / "one")
    assert {name: contents(tmp_path / "many").get(name) for name in shards} == shards
    assert not list((tmp_path / "many").rglob("*.partial"))
    (who,) = json.loads((tmp_path / "many" / "b.run.json").read_text())["workers"]
    assert who["host"] == os.uname().nodename


def test_what_a_worker_meets_comes_back_as_one_line(slide, tmp_path, cluster):
    spoilt = tmp_path / "tall.tiff"
    spoilt.write_bytes(slide.read_bytes())
    spoil_tile(spoilt, 5, 0)
    heard = Hearing()
    settings = {**SETTINGS, "max_bad_tiles": "50%"}
    wsiseg.segment(spoilt, output=tmp_path / "many", cluster=cluster, listener=heard, **settings)
    one = wsiseg.segment(spoilt, output=tmp_path / "one", **settings)
    assert contents(tmp_path / "many") == contents(tmp_path / "one")
    assert sorted(heard.said) == sorted(one.summary["warnings"])
    assert any("is not analysed" in text for text in heard.said)
    with pytest.raises(DamagedSlideError):
        wsiseg.segment(
            spoilt, output=tmp_path / "x", cluster=cluster, on_bad_tile="fail", **SETTINGS
        )
    with pytest.raises(ArgumentError, match="not a file"):
        wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "y", cluster=cluster, **SETTINGS)
    # The path means another file in another process.
    here = Path("/proc/self/fd") / str(os.open(slide.parent, os.O_RDONLY)) / slide.name
    with pytest.raises(ClusterError, match=r"cannot open the slide.*same paths"):
        wsiseg.segment(here, output=tmp_path / "z", cluster=cluster, **SETTINGS)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--workers", "0"], 2, "too small"),
        (["--workers", "2", "--scheduler", "tcp://a:1"], 2, "exclude each other"),
        (["--scheduler", "nowhere.json"], 1, "no such scheduler file"),
        (["--scheduler", "{slide}"], 1, "this is not a scheduler file"),
        (["--scheduler", "tcp://127.0.0.1:1"], 1, "does not answer"),
        (["--scheduler", "gopher://127.0.0.1:1"], 1, "does not answer"),
    ],
)
def test_a_scheduler_that_is_none_is_one_line(slide, tmp_path, monkeypatch, words, status, said):
    monkeypatch.setattr(connecting, "_PATIENCE", 0.5)
    words = [word.format(slide=slide) for word in words]
    outcome = run("segment", slide, "-o", tmp_path / "out", "--quiet", *words)
    assert outcome.status == status
    (line,) = outcome.err.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert not (tmp_path / "out").exists()
