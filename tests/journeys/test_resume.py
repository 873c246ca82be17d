"""A run that was stopped goes on, and ends as if it had not been."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image

import wsiseg
from repetitions import some_of
from tiny import tiny_checkpoint
from wsiseg.errors import OutputError, OutputExistsError
from wsiseg.segmentation.listener import Listener
from wsiseg.store.masks import MaskStore

OPTIONS = {"level": 0, "tissue": "none", "runtime": "torch", "tile": 512, "halo": 8}


class StopAfter(Listener):
    def __init__(self, tiles):
        self.left = tiles

    def advanced(self, pixels):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.fixture
def slide(tmp_path):
    random = np.random.default_rng(2)
    Image.fromarray(random.integers(0, 256, (4300, 600, 3), np.uint8)).save(tmp_path / "tall.png")
    return tmp_path / "tall.png"


def interrupt(slide, folder, tiles, **options):
    with pytest.raises(KeyboardInterrupt):
        wsiseg.segment(
            slide, tiny_checkpoint(), folder, listener=StopAfter(tiles), **OPTIONS, **options
        )


@pytest.mark.parametrize("blend", ["crop", "gaussian"])
@pytest.mark.parametrize("tiles", [0, 7, 13])
def test_an_interrupted_run_goes_on_to_the_same_bits(slide, tmp_path, blend, tiles):
    expected = wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "a", blend=blend, **OPTIONS)
    interrupt(slide, tmp_path / "b", tiles, blend=blend)
    assert not (tmp_path / "b" / "tall.ome.zarr" / "zarr.json").exists()
    result = wsiseg.segment(
        slide, tiny_checkpoint(), tmp_path / "b", blend=blend, resume=True, **OPTIONS
    )
    np.testing.assert_array_equal(result.labels[:], expected.labels[:])
    assert result.summary["classes"] == expected.summary["classes"]
    assert result.summary["tiles"] == expected.summary["tiles"]
    assert not (tmp_path / "b" / "tall.journal").exists()
    rows = (tmp_path / "b" / "tall.tiles.csv").read_text().splitlines()
    assert len(rows) == 1 + result.summary["tiles"]


def test_bands_that_are_done_are_not_done_again(slide, tmp_path, monkeypatch):
    interrupt(slide, tmp_path / "out", 13)
    written = []
    write = MaskStore.write
    monkeypatch.setattr(
        MaskStore, "write", lambda store, band: (written.append(band.box.y), write(store, band))
    )
    wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "out", resume=True, **OPTIONS)
    assert written
    assert min(written) >= 1024


def test_other_settings_are_refused_by_name(slide, tmp_path):
    interrupt(slide, tmp_path / "out", 7)
    other = {**OPTIONS, "halo": 16}
    with pytest.raises(OutputError, match="halo"):
        wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "out", resume=True, **other)
    with pytest.raises(OutputError, match="checkpoint"):
        wsiseg.segment(slide, tiny_checkpoint(seed=1), tmp_path / "out", resume=True, **OPTIONS)


def test_an_unfinished_output_is_not_replaced_unasked(slide, tmp_path):
    interrupt(slide, tmp_path / "out", 7)
    with pytest.raises(OutputExistsError, match=r"`resume`.*`overwrite`"):
        wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "out", **OPTIONS)
    result = wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "out", overwrite=True, **OPTIONS)
    assert (np.asarray(result.labels[:]) < 5).all()


def test_a_finished_output_is_left_as_it_is(slide, tmp_path):
    before = wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "out", **OPTIONS).summary
    after = wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "out", resume=True, **OPTIONS)
    assert after.summary == before


def test_a_line_cut_short_by_the_kill_is_done_again(slide, tmp_path):
    expected = wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "a", **OPTIONS)
    interrupt(slide, tmp_path / "b", 13)
    journal = tmp_path / "b" / "tall.journal"
    journal.write_text(journal.read_text()[:-40])
    result = wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "b", resume=True, **OPTIONS)
    np.testing.assert_array_equal(result.labels[:], expected.labels[:])


@pytest.mark.parametrize("stage", some_of(["pyramid", "image", "metadata"], ["image"]))
def test_a_run_stopped_while_finishing_goes_on(slide, tmp_path, monkeypatch, stage):
    options = {**OPTIONS, "with_image": True, "probabilities": True}
    expected = wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "a", **options)
    place = {
        "pyramid": "wsiseg.store.masks.multiscales",
        "image": "wsiseg.store.images._describe",
        "metadata": "wsiseg.segmentation.finishing.write_json",
    }[stage]

    def stop(*arguments, **settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(place, stop)
        with pytest.raises(KeyboardInterrupt):
            wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "b", **options)
    result = wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "b", resume=True, **options)
    for level in ("0", "1", "2"):
        found, wanted = (zarr.open_array(r.mask / level, mode="r") for r in (result, expected))
        np.testing.assert_array_equal(found[:], wanted[:])
    assert (result.mask.parents[1] / "zarr.json").is_file()


def test_a_finished_output_is_not_taken_for_one_of_other_settings(slide, tmp_path):
    wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "out", **OPTIONS)
    for other in ({"blend": "gaussian"}, {"with_image": True}, {"halo": 24}):
        (changed,) = other
        settings = {**OPTIONS, **other}
        with pytest.raises(OutputError, match=f"with(out| another) `{changed}`"):
            wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "out", resume=True, **settings)
    checkpoint = tiny_checkpoint()
    normalisation = checkpoint.card.normalisation.model_copy(update={"order": "BGR"})
    checkpoint.card = checkpoint.card.model_copy(update={"normalisation": normalisation})
    with pytest.raises(OutputError, match="another `checkpoint`"):
        wsiseg.segment(slide, checkpoint, tmp_path / "out", resume=True, **OPTIONS)


@pytest.mark.parametrize("how", ["resume", "overwrite"])
def test_what_is_not_ours_is_never_removed(slide, tmp_path, how):
    treasure = tmp_path / "out" / "tall.ome.zarr" / "mine"
    treasure.parent.mkdir(parents=True)
    treasure.write_text("precious")
    with pytest.raises(OutputExistsError):
        wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "out", **OPTIONS, **{how: True})
    assert treasure.read_text() == "precious"


def test_files_beside_a_missing_mask_are_not_replaced_unasked(slide, tmp_path):
    (tmp_path / "out").mkdir()
    table = tmp_path / "out" / "tall.tiles.csv"
    table.write_text("measured elsewhere")
    with pytest.raises(OutputExistsError, match=r"tiles\.csv"):
        wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "out", **OPTIONS)
    assert table.read_text() == "measured elsewhere"


def test_a_second_kill_loses_nothing_of_the_first_resume(slide, tmp_path):
    expected = wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "a", **OPTIONS)
    interrupt(slide, tmp_path / "b", 13)
    journal = tmp_path / "b" / "tall.journal"
    journal.write_text(journal.read_text()[:-5])
    interrupt(slide, tmp_path / "b", 9, resume=True)
    assert len(journal.read_text().splitlines()) >= 3
    result = wsiseg.segment(slide, tiny_checkpoint(), tmp_path / "b", resume=True, **OPTIONS)
    np.testing.assert_array_equal(result.labels[:], expected.labels[:])


INTERRUPTING = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import tiny
from wsiseg.cli import main
from wsiseg.tiling.reading import TileReader

read = TileReader._read

def read_and_interrupt(reader, tile):
    if tile.index == 13:
        os.kill(os.getpid(), signal.SIGINT)
    return read(reader, tile)

TileReader._read = read_and_interrupt
# Shells start what runs in the background with this signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
main(sys.argv[2:])
"""


def test_control_c_says_how_to_go_on_and_exits_130(slide, tmp_path):
    checkpoint = tiny_checkpoint().save(tmp_path / "tiny.safetensors")
    command = ["segment", slide, "-o", tmp_path / "out", "-c", checkpoint, "--level", "0", "--json"]
    options = ["--tile", "512", "--halo", "8", "--runtime", "torch", "--tissue", "none"]
    here = Path(__file__).resolve().parents[1]
    words = [str(word) for word in (here, *command, *options)]
    run = subprocess.run(
        [sys.executable, "-c", INTERRUPTING, *words], capture_output=True, text=True, check=False
    )
    assert run.returncode == 130, run.stderr
    assert "error: interrupted. Continue with --resume." in run.stderr
    told = json.loads(run.stdout)
    assert (told["error"]["what"], told["error"]["status"]) == ("interrupted", 130)
    (entry,) = json.loads((tmp_path / "out" / "batch.json").read_text())["slides"]
    assert (entry["status"], entry["error"]) == (
        "interrupted",
        "interrupted. Continue with --resume.",
    )
    (seen,) = told["slides"]
    assert seen == entry | {"error": "interrupted. Continue with --resume."}
