"""Of what an interrupted run has left, what does not hold is done again, and said."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image

import wsiseg
from tiny import tiny_checkpoint
from wsiseg.errors import OutputError
from wsiseg.segmentation.listener import Listener
from wsiseg.store.masks import MaskStore

OPTIONS = {"level": 0, "tissue": "none", "runtime": "torch", "tile": 512, "halo": 8}
OPTIONS |= {"probabilities": True, "uncertainty": "entropy", "blend": "gaussian"}
LABELS, PROBABILITIES = "tall.ome.zarr/0", "tall.probabilities.ome.zarr/0"
UNCERTAINTY = "tall.uncertainty.ome.zarr/0"


class Hearing(Listener):
    def __init__(self, tiles=None):
        self.left, self.warnings = tiles, []

    def advanced(self, pixels):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt

    def warned(self, text):
        self.warnings.append(text)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return a slide, a finished run of it, and one that stopped after three of four bands."""
    folder = tmp_path_factory.mktemp("runs")
    pixels = np.random.default_rng(2).integers(0, 256, (3600, 80, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "tall.png")
    wsiseg.segment(folder / "tall.png", tiny_checkpoint(), folder / "whole", **OPTIONS)
    broken = {"output": folder / "broken", "listener": Hearing(7), **OPTIONS}
    with pytest.raises(KeyboardInterrupt):
        wsiseg.segment(folder / "tall.png", tiny_checkpoint(), **broken)
    assert len((folder / "broken" / "tall.journal").read_text().splitlines()) == 4
    return folder


def go_on(runs, folder, monkeypatch=None):
    """Return the bands that are written and the warnings; the result is that of the whole run."""
    hearing, written = Hearing(), []
    if monkeypatch is not None:
        write = MaskStore.write
        monkeypatch.setattr(
            MaskStore, "write", lambda self, band: (written.append(band.box.y), write(self, band))
        )
    slide = runs / "tall.png"
    result = wsiseg.segment(
        slide, tiny_checkpoint(), folder, resume=True, listener=hearing, **OPTIONS
    )
    finest = (LABELS, PROBABILITIES, UNCERTAINTY)
    for array in (*finest, *(name.replace("/0", "/1") for name in finest)):
        found, wanted = (zarr.open_array(where / array)[:] for where in (folder, runs / "whole"))
        np.testing.assert_array_equal(found, wanted)
    whole = json.loads((runs / "whole" / "tall.run.json").read_text())["summary"]
    assert result.summary["classes"] == whole["classes"]
    assert not {"tall.journal", "tall.lock"} & {path.name for path in folder.iterdir()}
    assert not list(folder.rglob("*.partial"))
    return written, [text for text in hearing.warnings if "are recomputed" in text]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 255
    path.write_bytes(content)


def litter(path):
    """Leave what Zarr leaves that is killed while it writes a file."""
    path.parent.mkdir(exist_ok=True)
    path.with_name(f"{path.name}.partial").write_bytes(b"x")


DAMAGES = {
    "a shard is gone": (lambda at: (at / LABELS / "c/1/0").unlink(), [1024, 3072]),
    "cut short": (lambda at: (at / LABELS / "c/1/0").write_bytes(b"short"), [1024, 3072]),
    "a byte": (lambda at: flip(at / PROBABILITIES / "c/2/1/0"), [1024, 3072]),
    "a class": (lambda at: (at / PROBABILITIES / "c/2/0/0").unlink(), [0, 3072]),
    "a doubtful byte": (lambda at: flip(at / UNCERTAINTY / "c/1/0"), [1024, 3072]),
    "no doubt": (lambda at: shutil.rmtree(at / UNCERTAINTY), [0, 1024, 2048, 3072]),
    "a folder": (
        lambda at: ((at / LABELS / "c/0/0").unlink(), (at / LABELS / "c/0/0").mkdir()),
        [0, 3072],
    ),
    "no metadata": (lambda at: (at / LABELS / "zarr.json").unlink(), [0, 1024, 2048, 3072]),
    "another array": (
        lambda at: zarr.create_array(
            at / LABELS, shape=(9, 9), chunks=(9, 9), dtype="u2", overwrite=True
        ),
        [0, 1024, 2048, 3072],
    ),
    "unfinished files": (
        lambda at: [litter(at / name) for name in (f"{LABELS}/c/3/0.a1", "tall.ome.zarr/zarr.a2")],
        [3072],
    ),
    "nothing": (Path.exists, [3072]),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_bands_that_are_not_as_recorded_are_done_again(name, runs, tmp_path, monkeypatch):
    damage, again = DAMAGES[name]
    shutil.copytree(runs / "broken", tmp_path / "out")
    damage(tmp_path / "out")
    written, said = go_on(runs, tmp_path / "out", monkeypatch)
    assert written == again
    count = len(again) - 1
    assert [text.startswith(f"{count} of 3 bands") for text in said] == [True] * (count > 0)


def alter(journal, change):
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    change(records)
    journal.write_text("".join(json.dumps(record) + "\n" for record in records))


RECORDS = {
    "far below": lambda records: records[2]["box"].update(y=10**6),
    "above": lambda records: records[2]["box"].update(y=-1024),
    "across": lambda records: records[2]["box"].update(y=512),
    "endless": lambda records: records[2]["box"].update(height=10**30),
    "too few counts": lambda records: records[2]["counts"].pop(),
    "negative counts": lambda records: records[2].update(counts=[-1] * 5),
    "counts in words": lambda records: records[2].update(counts=["1"] * 5),
    "no number": lambda records: records[2]["rows"][0].update(read_ms=float("nan")),
    "no such tile": lambda records: records[2]["rows"][0].update(index=10**9),
    "no key": lambda records: records[2]["rows"][0].pop("wait_ms"),
    "null": lambda records: records.__setitem__(2, None),
}


@pytest.mark.parametrize("name", RECORDS)
def test_records_of_no_band_are_not_believed(name, runs, tmp_path, monkeypatch):
    shutil.copytree(runs / "broken", tmp_path / "out")
    alter(tmp_path / "out" / "tall.journal", RECORDS[name])
    written, (said,) = go_on(runs, tmp_path / "out", monkeypatch)
    assert written == [1024, 3072]
    assert said.startswith("1 of 3 bands")


def test_a_journal_of_an_earlier_version_is_read_by_its_counts(runs, tmp_path, monkeypatch):
    def forget(records):
        del records[0]["identity"]["slide"]["sha256_between"]
        for record in records[1:]:
            del record["labels_crc32"], record["probabilities_crc32"]

    shutil.copytree(runs / "broken", tmp_path / "out")
    alter(tmp_path / "out" / "tall.journal", forget)
    (tmp_path / "out" / LABELS / "c/1/0").unlink()
    assert go_on(runs, tmp_path / "out", monkeypatch)[0] == [1024, 3072]


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", bytes(range(256)) * 99, b"[" * 99999 + b"\n", b'{"identity": []}\n', None],
)
def test_what_is_no_journal_is_refused_and_nothing_is_removed(content, runs, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(runs / "broken", out)
    (out / "tall.journal").unlink()
    if content is None:
        (out / "tall.journal").mkdir()
    else:
        (out / "tall.journal").write_bytes(content)
    with pytest.raises(OutputError, match=r"interrupted run is damaged .*overwrite"):
        go_on(runs, out)
    assert (out / LABELS / "c/0/0").exists()


FINISHED = {
    "a shard is gone": lambda at: (at / LABELS / "c/1/0").unlink(),
    "cut short": lambda at: (at / LABELS / "c/1/0").write_bytes(b"short"),
    "no group": lambda at: (at / "tall.ome.zarr/zarr.json").unlink(),
    "no level": lambda at: shutil.rmtree(at / "tall.ome.zarr/1"),
    "a coarser shard is gone": lambda at: (at / "tall.ome.zarr/1/c/0/0").unlink(),
    "a probability is gone": lambda at: (at / "tall.probabilities.ome.zarr/0/c/2/1/0").unlink(),
    "a probability is cut": lambda at: os.truncate(at / "tall.probabilities.ome.zarr/1/c/2/0/0", 9),
    "no uncertainty": lambda at: shutil.rmtree(at / "tall.uncertainty.ome.zarr"),
    "no probabilities": lambda at: shutil.rmtree(at / "tall.probabilities.ome.zarr"),
}


@pytest.mark.parametrize("name", FINISHED)
def test_a_finished_mask_that_is_damaged_is_made_again(name, runs, tmp_path):
    shutil.copytree(runs / "whole", tmp_path / "out")
    FINISHED[name](tmp_path / "out")
    assert go_on(runs, tmp_path / "out")[1] == []
    warnings = json.loads((tmp_path / "out" / "tall.run.json").read_text())["warnings"]
    assert any("the finished mask is damaged" in text for text in warnings)


def test_a_journal_beside_a_finished_run_goes(runs, tmp_path, monkeypatch):
    shutil.copytree(runs / "whole", tmp_path / "out")
    shutil.copy(runs / "broken" / "tall.journal", tmp_path / "out" / "tall.journal")
    assert go_on(runs, tmp_path / "out", monkeypatch) == ([], [])


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[" * 99999, b"null", b'{"summary": {}}'])
def test_a_run_file_that_is_damaged_is_said(content, runs, tmp_path):
    shutil.copytree(runs / "whole", tmp_path / "out")
    (tmp_path / "out" / "tall.run.json").write_bytes(content)
    with pytest.raises(OutputError, match=r"run file cannot be read.*`overwrite`"):
        go_on(runs, tmp_path / "out")


def test_another_reader_is_named_as_what_differs(runs, tmp_path):
    journal = json.loads((runs / "broken" / "tall.journal").read_text().splitlines()[0])
    assert list(journal["identity"])[:2] == ["reader", "slide"]


def ring(*corners):
    return [list(corner) for corner in (*corners, corners[0])]


def test_regions_are_the_same_however_they_are_written(runs, tmp_path):
    a, b, c, d = (0, 0), (80, 0), (80, 900), (0, 900)
    feature = {"type": "Feature", "properties": {}}
    options = {**OPTIONS, "probabilities": False, "roi": tmp_path / "roi.geojson"}

    def segment(corners, indent):
        shape = {"type": "Polygon", "coordinates": [ring(*corners)]}
        (tmp_path / "roi.geojson").write_text(
            json.dumps({**feature, "geometry": shape}, indent=indent)
        )
        return wsiseg.segment(
            runs / "tall.png", tiny_checkpoint(), tmp_path / "out", **options, resume=True
        )

    first = segment((a, b, c, d), None).summary
    assert segment((c, d, a, b), 4).summary == first
    assert segment((b, a, d, c), 1).summary == first
    with pytest.raises(OutputError, match="another `roi`"):
        segment((a, b, (80, 901), d), None)
