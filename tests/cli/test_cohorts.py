"""``wsiseg segment`` on cohorts: what is said while it runs, at the end, and of how to go on."""

import json
import re
import shlex

import numpy as np
import pytest
from PIL import Image

from commands import run
from tiny import tiny_checkpoint
from wsiseg.tiling.reading import TileReader


@pytest.fixture
def cohort(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    (tmp_path / "in").mkdir()
    for number, name in enumerate(("a", "b", "c")):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 96, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{name}.png")
    (tmp_path / "in" / "bad.svs").write_bytes(b"no slide")
    return tmp_path


OPTIONS = ("-c", "tiny.safetensors", "--tissue", "none", "--runtime", "torch", "--level", "0")


def counts(text):
    (line,) = [line for line in text.splitlines() if line.startswith("slides ")]
    return line


def test_a_cohort_says_where_it_is_and_counts_at_the_end(cohort):
    done = run("segment", "in/*", "-o", "out", *OPTIONS)
    assert done.status == 1
    turns = re.findall(r"^slide (\d) of 4: (\S+)$", done.err, re.MULTILINE)
    assert turns == [("1", "a.png"), ("2", "b.png"), ("3", "bad.svs"), ("4", "c.png")]
    assert re.search(r"^failed +in/bad.svs: .*no reader takes this file", done.out, re.MULTILINE)
    assert "4 slides: 3 done, 1 failed, see out/cohort.csv" in counts(done.out)
    # Results, failures and counts stand together, in this order.
    order = [done.out.index(word) for word in ("mask  ", "failed ", "slides ")]
    assert order == sorted(order)
    again = run("segment", "in", "-o", "out", *OPTIONS, "--resume")
    assert again.status == 1
    assert again.err.count("error: ") == 1
    assert "4 slides: 1 failed, 3 skipped" in counts(again.out)
    assert "skipped     in/a.png: it is finished" in again.out
    retried = run("segment", "in", "-o", "out", *OPTIONS, "--retry-failed", "--json")
    entries = json.loads(retried.out)["slides"]
    found = {entry["slide"]: entry["status"] for entry in entries}
    assert found == {
        "in/a.png": "skipped",
        "in/b.png": "skipped",
        "in/bad.svs": "failed",
        "in/c.png": "skipped",
    }
    record = json.loads((cohort / "out" / "batch.json").read_text())["slides"]
    assert sorted(entry["status"] for entry in record) == ["failed", "ok", "ok", "ok"]
    assert {frozenset(entry) for entry in record} == {frozenset(entries[0])}
    (cohort / "in" / "bad.svs").unlink()
    assert run("segment", "in", "-o", "out", *OPTIONS, "--resume").status == 0


def test_fail_fast_tells_what_was_not_begun(cohort):
    done = run("segment", "in", "-o", "out", *OPTIONS, "--fail-fast")
    assert done.status == 1
    assert "4 slides: 2 done, 1 failed, 1 not begun" in counts(done.out)


def test_a_dry_run_tells_plan_time_memory_and_disk_and_writes_nothing(cohort):
    before = sorted(cohort.rglob("*"))
    told = run("segment", "in", "-o", "out", *OPTIONS, "--dry-run")
    assert told.status == 1
    assert sorted(cohort.rglob("*")) == before
    line = r"^planned +in/a.png: 1 tile, 0.0 Mpx, about \d+ s, \d+ MiB of memory, \d+ KiB on disk$"
    assert re.search(line, told.out, re.MULTILINE)
    assert "4 slides: 1 failed, 3 planned: about " in counts(told.out)
    assert told.out.endswith("nothing was written\n")
    assert "96×64 px" in told.err
    told = run("segment", "in/a.png", "-o", "out", *OPTIONS, "--dry-run", "--json")
    (entry,) = json.loads(told.out)["slides"]
    assert (told.status, entry["status"], entry["tiles"], entry["error"]) == (0, "planned", 1, None)
    assert min(entry["memory_mb"], entry["seconds"], entry["disk_mb"]) > 0


def test_a_list_is_taken_with_what_else_is_named(cohort):
    (cohort / "in" / "list.csv").write_text("slide,output\na.png,first\n../in/b.png,\n")
    done = run("segment", "in/c.png", "--slides", "in/list.csv", "-o", "out", *OPTIONS, "--json")
    assert done.status == 0
    assert {path.name for path in (cohort / "out").glob("*.run.json")} == {
        *("first.run.json", "b.run.json", "c.run.json")
    }
    wrong = run("segment", "--slides", "in/list.csv", "-o", "out", *OPTIONS, "--mpp", "1")
    assert wrong.status == 2
    (cohort / "in" / "list.csv").write_text("slide,mpp\na.png,much\n")
    words = ("segment", "--slides", "in/list.csv", "-o", "new", "-c", "tiny.safetensors", "--json")
    wrong = run(*words)
    assert wrong.status == 2
    assert json.loads(wrong.out)["error"]["where"] == "in/list.csv, row 2, column mpp"
    assert len([line for line in wrong.err.splitlines() if line.startswith("error")]) == 1
    assert not (cohort / "new").exists()


def test_an_interrupted_cohort_tells_the_command_to_type_and_resumes(cohort, monkeypatch):
    tall = np.random.default_rng(5).integers(0, 256, (4300, 64, 3), np.uint8)
    Image.fromarray(tall).save(cohort / "in" / "b.png")
    words = ("segment", "in", "-o", "my masks", *OPTIONS, "--tile", "256")
    read, seen = TileReader._read, []

    def stop(reader, tile):
        seen.append(tile)
        if len(seen) == 12:
            raise KeyboardInterrupt
        return read(reader, tile)

    with monkeypatch.context() as patch:
        patch.setattr(TileReader, "_read", stop)
        stopped = run(*words, "--overwrite", "--json")
    assert stopped.status == 130
    document = json.loads(stopped.out)
    assert [entry["status"] for entry in document["slides"]] == ["ok", "interrupted"]
    assert document["error"]["status"] == 130
    assert "note: 4 slides: 1 done, 1 interrupted, 2 not begun" in stopped.err
    (typed,) = re.findall(r"^note: to continue, type: wsiseg (.*)$", stopped.err, re.MULTILINE)
    record = json.loads((cohort / "my masks" / "batch.json").read_text())["slides"]
    assert [entry["status"] for entry in record] == ["ok", "interrupted"]
    again = shlex.split(typed)
    assert again == [*words, "--json", "--resume"]
    going_on = run(*again)
    found = re.search(r"resuming: (\d+) of (\d+) tiles were done before", going_on.err)
    assert 0 < int(found[1]) < int(found[2])
    states = [entry["status"] for entry in json.loads(going_on.out)["slides"]]
    assert states == ["skipped", "ok", "failed", "ok"]
