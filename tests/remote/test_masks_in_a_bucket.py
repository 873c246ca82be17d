"""Masks, journals and run files in an object store, against a real S3 server."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from commands import run
from jpeg_slide import write_jpeg_slide
from repetitions import repetitions
from s3_server import SECRET, Relay, Request
from tiny import segment_tiny
from wsiseg.errors import (
    AddressError,
    OutputError,
    OutputExistsError,
    OutputHeldError,
    RuntimeUnavailableError,
)
from wsiseg.remote import buckets
from wsiseg.remote.remote_path import RemotePath
from wsiseg.store.locks import hold_lock

SETTINGS = {"probabilities": True}


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a slide of four bands."""
    return write_jpeg_slide(tmp_path_factory.mktemp("slide") / "a.tiff", 2200, 90, tile=64)


@pytest.fixture(scope="module")
def local(slide: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return what a run leaves on this machine's disk."""
    folder = tmp_path_factory.mktemp("out")
    segmented(slide, folder, **SETTINGS)
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def segmented(slide: Path, folder: object, **options: object) -> Path:
    return segment_tiny(slide, folder, **{"level": 0, "tile": 128} | options)


def objects(address: str) -> dict[str, bytes]:
    place = RemotePath(address)
    return {name: (place / name).read_bytes() for name in place.files_below()}


def assert_same(found: dict[str, bytes], local: dict[str, bytes]) -> None:
    """Compare all but what tells of time."""
    assert found.keys() == local.keys()
    timed = {"a.tiles.csv", "a.run.json"}
    assert [name for name in local.keys() - timed if found[name] != local[name]] == []


@pytest.fixture
def relay(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Put a relay before the server, and give up soon."""
    monkeypatch.setattr(buckets, "RETRIES", 0)
    with Relay(os.environ["AWS_ENDPOINT_URL"]).running() as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL", between.url)
        yield between


def test_a_bucket_holds_what_a_folder_does(slide, local, bucket):
    mask = segmented(slide, f"{bucket}/out", **SETTINGS)
    assert isinstance(mask, RemotePath)
    assert str(mask) == f"{bucket}/out/a.ome.zarr"
    assert_same(objects(f"{bucket}/out"), local)
    # Nothing above the masks has become a group of Zarr's.
    assert {each.name for each in RemotePath(bucket).iterdir()} == {"out"}
    with pytest.raises(OutputExistsError, match="already exists"):
        segmented(slide, f"{bucket}/out", **SETTINGS)
    (RemotePath(mask) / "0/c/1/0").unlink()
    segmented(slide, f"{bucket}/out", **SETTINGS, resume=True)
    assert_same(objects(f"{bucket}/out"), local)
    segmented(slide, f"{bucket}/out", **SETTINGS, overwrite=True)
    assert_same(objects(f"{bucket}/out"), local)
    with pytest.raises(OutputError, match="with another"):
        segmented(slide, f"{bucket}/out", **SETTINGS, resume=True, blend="gaussian")


def test_with_an_image_and_refined_it_is_the_same(slide, bucket, tmp_path):
    settings = {"with_image": True, "min_area": "40um2", "uncertainty": "entropy"}
    segmented(slide, tmp_path, **settings)
    segmented(slide, f"{bucket}/deep/er", **settings)
    files = (path for path in tmp_path.rglob("*") if path.is_file())
    local = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in files}
    assert_same(objects(f"{bucket}/deep/er"), local)


@pytest.mark.long  # a killed run is gone on with in the suite
def test_a_server_that_fails_leaves_what_can_be_gone_on_with(slide, local, bucket, relay):
    where = f"{bucket}/out"
    segmented(slide, where, **SETTINGS)
    # The very last requests give the lock back, when all is done.
    last = len(relay.asked) - 3
    points = np.linspace(1, last, repetitions(1, 20) + 2)[1:-1].astype(int).tolist()
    for number, status in zip(points, itertools.cycle((500, 403, 0))):
        RemotePath(where).remove_tree()
        relay.asked.clear()
        relay.fails = failing_from(number, status)
        with pytest.raises((AddressError, OutputError)) as caught:
            segmented(slide, where, **SETTINGS)
        said = str(caught.value)
        assert "\n" not in said
        assert len(said) < 400
        assert SECRET not in said
        relay.fails = None
        assert_sound(where)
        journal = (RemotePath(where) / "a.journal").exists()
        # What broke off before the first band was done is begun again.
        segmented(slide, where, **SETTINGS, **{"resume" if journal else "overwrite": True})
        assert_same(objects(where), local)


def failing_from(number: int, status: int) -> Callable[[Request, int], int | None]:
    return lambda _, count: status if count >= number else None


def assert_sound(where: str) -> None:
    """Check that whatever is there is either whole or says that it is not."""
    found = objects(where)
    for name, content in found.items():
        if name.endswith(".json"):
            json.loads(content)
    if "a.ome.zarr/zarr.json" in found:
        assert {f"a.ome.zarr/{level}/zarr.json" for level in range(3)} <= found.keys()
    if "a.run.json" in found:
        assert "a.ome.zarr/zarr.json" in found


_KILLED = """
import sys
sys.path.insert(0, {tests!r})
from tiny import segment_tiny
segment_tiny({slide!r}, {out!r}, level=0, tile=128, probabilities=True)
"""


def test_a_killed_run_is_gone_on_with(slide, local, bucket):
    out = f"{bucket}/out"
    code = _KILLED.format(tests=str(Path(__file__).parents[1]), slide=str(slide), out=out)
    process = subprocess.Popen([sys.executable, "-c", code])
    bands = RemotePath(f"{out}/a.journal.bands")
    try:
        while not bands.is_dir() and process.poll() is None:
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert (RemotePath(out) / "a.lock").exists()
    assert not (RemotePath(out) / "a.run.json").exists()
    segmented(slide, out, **SETTINGS, resume=True)
    assert_same(objects(out), local)


def test_the_command_line_writes_to_a_bucket(slide, bucket, tmp_path):
    """Also what lies beside the masks, and without a word of what is secret."""
    RemotePath(f"{bucket}/in/small.tiff").write_bytes(slide.read_bytes())
    words = ["segment", f"{bucket}/in/small.tiff", "-o", f"{bucket}/out", "--level", "0"]
    words += ["--tissue", "none", "--runtime", "torch", "--roi", region(tmp_path), "--force"]
    told = run(*words, "--json")
    assert told.status == 0, told.err
    (entry,) = json.loads(told.out)["slides"]
    assert entry["slide"] == f"{bucket}/in/small.tiff"
    assert entry["mask"] == f"{bucket}/out/small.ome.zarr"
    found = objects(f"{bucket}/out")
    assert {"batch.json", "cohort.csv", "small.run.json", "small.tiles.csv"} <= found.keys()
    assert not [name for name in found if ".lock" in name or ".journal" in name]
    assert SECRET not in told.out + told.err + "".join(map(str, found.values()))
    assert json.loads(found["batch.json"])["slides"][0]["status"] == "ok"
    told = run(*words)
    assert told.status == 1
    assert f"{bucket}/out/small.ome.zarr" in told.err
    told = run(*words, "--resume")
    assert told.status == 0, told.err
    told = run("report", f"{bucket}/out", "--json")
    assert told.status == 0, told.err
    assert "small.report.html" in objects(f"{bucket}/out")


def region(folder: Path) -> Path:
    """Draw a small square, so that little is computed."""
    ring = [[0, 0], [100, 0], [100, 100], [0, 100], [0, 0]]
    drawn = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}}
    file = folder / "roi.geojson"
    file.write_text(json.dumps(drawn | {"properties": {}}))
    return file


def test_one_run_at_a_time_writes_an_output(bucket):
    lock = RemotePath(f"{bucket}/out/a.lock")
    with hold_lock(lock, print) as check:
        check()
        with (
            pytest.raises(OutputHeldError, match=f"process {os.getpid()} on"),
            hold_lock(lock, print),
        ):
            pass
    assert not lock.exists()
    # Of a process of this machine that is gone nothing is left but its lock.
    holder = {"pid": 2**22 + 1, "host": os.uname().nodename, "since": "2026-01-01", "started": 1.0}
    lock.write_bytes(json.dumps(holder).encode())
    with hold_lock(lock, print):
        pass
    holder["host"] = "elsewhere"
    lock.write_bytes(json.dumps(holder).encode())
    with pytest.raises(OutputHeldError, match="on elsewhere"), hold_lock(lock, print):
        pass


def test_an_abandoned_lock_of_another_machine_ends(bucket, monkeypatch):
    lock = RemotePath(f"{bucket}/out/a.lock")
    lock.write_bytes(b'{"pid": 1, "host": "elsewhere", "since": "2026-01-01"}')
    monkeypatch.setattr("wsiseg.store.leases.LEASE", -1.0)
    with hold_lock(lock, print) as check:
        # Whoever takes it meanwhile is not disturbed.
        lock.write_bytes(b"another's")
        monkeypatch.setattr("wsiseg.store.leases.LEASE", -2.0)
        with pytest.raises(OutputError, match="was lost"):
            check()
    assert lock.read_bytes() == b"another's"


def test_what_is_wrong_is_said_in_one_line(slide, bucket, relay, monkeypatch):
    with pytest.raises(AddressError, match=r"no such bucket: s3://not-there-lab "):
        segmented(slide, "s3://not-there-lab/out")
    relay.fails = lambda *_: 403
    with pytest.raises(AddressError, match=r"access is refused \(Injected\).*AWS_ACCESS_KEY_ID"):
        segmented(slide, f"{bucket}/out")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(AddressError, match="not reached"):
        segmented(slide, f"{bucket}/out")
    with pytest.raises(AddressError, match="nothing is written to https://"):
        segmented(slide, "https://host/out")
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(RuntimeUnavailableError, match=r"pip install 'wsiseg\[remote\]'"):
        segmented(slide, "s3://other-lab/out")


def test_masks_at_an_address_are_measured_exported_and_reported(slide, bucket, tmp_path):
    segmented(slide, f"{bucket}/out")
    RemotePath(f"{bucket}/slides/a.tiff").write_bytes(slide.read_bytes())
    mask = f"{bucket}/out/a.ome.zarr"
    assert run("measure", mask, "-o", tmp_path / "areas.csv").status == 0
    here = segmented(slide, tmp_path / "out")
    assert run("measure", here, "-o", tmp_path / "here.csv").status == 0
    there = (tmp_path / "areas.csv").read_text().replace(f"{bucket}/out", str(tmp_path / "out"))
    assert there == (tmp_path / "here.csv").read_text()
    told = run("export", mask, "--to", "png", "-o", tmp_path / "a.png", "--json")
    assert told.status == 0, told.err
    told = run("export", here, "--to", "png", "-o", tmp_path / "here.png", "--json")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "here.png").read_bytes()
    told = run("info", f"{bucket}/slides/a.tiff", "--json")
    assert json.loads(told.out)["reader"] == "tifffile"
    told = run("export", mask, "--to", "png", "-o", f"{bucket}/a.png")
    assert told.status == 1
    assert "only be written to local files" in told.err
    assert told.err.count("\n") == 1
    assert not Path("s3:").exists()
