"""What is on disk when the journal says so."""

import os

import numpy as np
import pytest
from PIL import Image

from commands import run
from tiny import tiny_checkpoint

fcntl = pytest.importorskip("fcntl")


def test_files_are_synced_by_who_may_write_them(tmp_path, monkeypatch):
    # Windows refuses to sync a file that was opened to be read.
    synced = []

    def sync(descriptor):
        assert fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        synced.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", sync)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    checkpoint = tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    words = ("-c", checkpoint, "--level", 0, "--tissue", "none", "-o", tmp_path / "out")
    outcome = run("segment", tmp_path / "picture.png", *words)
    assert outcome.status == 0, outcome.err
    assert synced
