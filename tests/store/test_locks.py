"""One holder per output, and the entries of all in one folder."""

import errno
import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

import wsiseg
from tiny import tiny_checkpoint
from wsiseg.errors import OutputError, OutputHeldError
from wsiseg.store.locks import hold_lock
from wsiseg.store.manifest import Manifest

OPTIONS = {"level": 0, "tissue": "none", "runtime": "torch"}

HOLDING = """
import sys
from pathlib import Path
from wsiseg.store.locks import hold_lock

with hold_lock(Path(sys.argv[1]), print):
    print("held", flush=True)
    sys.stdin.read()
"""


def unwarned(text):
    raise AssertionError(text)


def test_a_second_holder_hears_who_the_first_is_and_a_killed_one_holds_nothing(tmp_path):
    path = tmp_path / "slide.lock"
    command = [sys.executable, "-c", HOLDING, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        who = f"process {other.pid} on .* since 20"
        with pytest.raises(OutputHeldError, match=who), hold_lock(path, unwarned):
            pass
        other.send_signal(signal.SIGKILL)
    # Its file is left behind, which says nothing.
    assert path.exists()
    with hold_lock(path, unwarned):
        assert json.loads(path.read_text())["pid"] != other.pid
    assert list(tmp_path.iterdir()) == []


def test_threads_exclude_each_other_though_the_file_comes_and_goes(tmp_path):
    path, inside, most = tmp_path / "slide.lock", [], []

    def work(number):
        for _ in range(40):
            with hold_lock(path, unwarned, timeout=60):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert (len(most), max(most)) == (160, 1)
    assert not path.exists()


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    def refuse(*arguments, **settings):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    said = []
    with hold_lock(tmp_path / "slide.lock", said.append):
        pass
    assert "has no locks" in said[0]


def test_an_error_inside_is_not_taken_for_one_of_the_lock(tmp_path):
    with pytest.raises(IsADirectoryError), hold_lock(tmp_path / "slide.lock", unwarned):
        raise IsADirectoryError
    (tmp_path / "slide.lock").mkdir()
    with pytest.raises(OutputError), hold_lock(tmp_path / "slide.lock", unwarned):
        pass


@pytest.mark.parametrize("how", [{}, {"overwrite": True}, {"resume": True}])
def test_two_runs_into_one_output(tmp_path, how):
    slides = [tmp_path / "a.png", tmp_path / "b.png"]
    for slide in slides:
        Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(slide)
    out = tmp_path / "out"
    before = wsiseg.segment(slides[0], tiny_checkpoint(), out, **OPTIONS)
    run = (out / "a.run.json").read_text()
    held, ended = threading.Event(), threading.Event()

    def other():
        with hold_lock(out / "a.lock", unwarned):
            held.set()
            ended.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    held.wait(60)
    try:
        with pytest.raises(OutputHeldError, match="another run is writing this output: process"):
            wsiseg.segment(slides[0], tiny_checkpoint(seed=1), out, **OPTIONS, **how)
        assert (out / "a.run.json").read_text() == run
        assert before.mask.exists()
        # Another slide's files are another output.
        wsiseg.segment(slides[1], tiny_checkpoint(), out, **OPTIONS)
    finally:
        ended.set()
        thread.join()
    assert {path.suffix for path in out.iterdir()} == {".zarr", ".csv", ".json"}


def test_entries_of_runs_beside_each_other_are_all_kept(tmp_path):
    def record(number):
        for slide in range(20):
            Manifest(tmp_path, unwarned).record({"slide": f"in/{number}-{slide}.svs"})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(record, range(4)))
    slides = json.loads((tmp_path / "batch.json").read_text())["slides"]
    assert len({entry["slide"] for entry in slides}) == len(slides) == 80
    assert len((tmp_path / "cohort.csv").read_text().splitlines()) == 81
    assert {path.name for path in tmp_path.iterdir()} == {"batch.json", "cohort.csv"}


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[" * 99999, b'{"slides": [5]}', b"{}"])
def test_a_damaged_record_is_put_aside_and_said(tmp_path, content):
    (tmp_path / "batch.json").write_bytes(content)
    said = []
    Manifest(tmp_path, said.append).record({"slide": "a.svs"})
    assert "batch.damaged.json" in said[0]
    assert (tmp_path / "batch.damaged.json").read_bytes() == content
    assert json.loads((tmp_path / "batch.json").read_text()) == {"slides": [{"slide": "a.svs"}]}
