"""A second run starts from what the first has kept, gives the same mask, and survives damage."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image

from checkpoints import make_checkpoint
from commands import Outcome, run
from wsiseg.models.runtimes import cache

RUNTIMES = ["openvino", pytest.param("onnx", marks=pytest.mark.long)]

PROGRAM = """
import sys
from wsiseg.cli import main
try:
    main(sys.argv[1:])
finally:
    print("torch" if "torch" in sys.modules else "no torch", file=sys.stderr)
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_warned", [])


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Return the command that segments a small picture, but for its output and its runtime."""
    picture, checkpoint = tmp_path / "picture.png", tmp_path / "tissue.safetensors"
    pixels = np.random.default_rng(0).integers(0, 256, (100, 120, 3), np.uint8)
    Image.fromarray(pixels).save(picture)
    make_checkpoint().save(checkpoint)
    settings = [
        "--level",
        "0",
        "--tissue",
        "none",
        "--tile",
        "128",
        "--threads",
        "1",
        "--json",
        "--device",
        "cpu",
    ]
    return ["segment", str(picture), "-c", str(checkpoint), *settings]


def mask(outcome: Outcome | subprocess.CompletedProcess[str]) -> np.ndarray:
    text = outcome.out if isinstance(outcome, Outcome) else outcome.stdout
    (slide,) = json.loads(text)["slides"]
    assert slide["status"] == "ok", slide
    return zarr.open_array(Path(slide["mask"]) / "0", mode="r")[:]


def entries(kind: str) -> list[Path]:
    return list((cache.cache_folder() / kind).iterdir())


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_second_run_goes_without_torch(runtime: str, command: list[str], tmp_path: Path) -> None:
    pytest.importorskip("openvino" if runtime == "openvino" else "onnxruntime")
    words = [*command, "--runtime", runtime]
    first = run(*words, "-o", tmp_path / "first")
    second = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words, "-o", str(tmp_path / "second")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert np.array_equal(mask(second), mask(first))
    assert second.stderr.split("\n")[-2] == "no torch"
    assert "UserWarning" not in second.stderr


def test_tiles_of_another_shape_are_compiled_without_torch(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    words = [*command, "--runtime", "openvino"]
    run(*words, "-o", tmp_path / "first")
    monkeypatch.setattr("wsiseg.models.held_network._create", None)
    smaller = run(*words, "--tile=64", "--halo=16", "-o", tmp_path / "smaller")
    assert mask(smaller).shape == (100, 120)
    assert len(entries("networks")) > len(entries("graphs")) == 1


@pytest.mark.filterwarnings("default")
def test_damaged_entries_are_made_anew(command: list[str], tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    words = [*command, "--runtime", "openvino"]
    first = run(*words, "-o", tmp_path / "first")
    for entry in cache.cache_folder().glob("*/*"):
        entry.write_bytes(entry.read_bytes()[:-1])
    second = run(*words, "-o", tmp_path / "second")
    assert np.array_equal(mask(second), mask(first))
    assert second.err.count("damaged file in the cache") == 5
    assert second.err.count("\n") == 5 + first.err.count("\n")
    third = run(*words, "-o", tmp_path / "third")
    assert (third.status, "UserWarning" in third.err) == (0, False)


@pytest.mark.filterwarnings("default")
def test_what_a_runtime_does_not_take_back_is_compiled_anew(
    command: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    words = [*command, "--runtime", "openvino"]
    first = run(*words, "-o", tmp_path / "first")
    (entry,) = entries("networks")
    strange = b"of another program"
    entry.write_bytes(cache.MARK + hashlib.sha256(strange).digest() + strange)
    second = run(*words, "-o", tmp_path / "second")
    assert np.array_equal(mask(second), mask(first))
    assert second.err.count("cannot load the network that was kept") == 1
    assert entry.stat().st_size > 1000


@pytest.mark.filterwarnings("default")
def test_a_cache_that_cannot_be_written_stops_no_run(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    outcome = run(*command, "--runtime", "torch", "-o", tmp_path / "out")
    assert mask(outcome).shape == (100, 120)
    assert outcome.err.count("nothing is kept for the next run") == 1
    assert "XDG_CACHE_HOME" in outcome.err


@pytest.mark.long
def test_two_first_runs_at_once(command: list[str], tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    words = [sys.executable, "-c", PROGRAM, *command, "--runtime", "openvino", "-o"]
    both = [
        subprocess.Popen([*words, str(tmp_path / name)], stdout=subprocess.PIPE, text=True)
        for name in ("one", "other")
    ]
    ended = [subprocess.CompletedProcess([], each.wait(), each.communicate()[0]) for each in both]
    assert np.array_equal(mask(ended[0]), mask(ended[1]))
    assert len(entries("networks")) == 1
