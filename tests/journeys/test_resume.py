"""A run that was stopped goes on, and ends as if it had not been."""

import numpy as np
import pytest
from PIL import Image

import wsiseg
from tiny import tiny_checkpoint
from wsiseg.errors import OutputError, OutputExistsError
from wsiseg.listener import Listener
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
    with pytest.raises(OutputExistsError, match=r"--resume.*--overwrite"):
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
