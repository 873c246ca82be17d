"""`wsiseg demo`: a slide that is built once, and segmented."""

import importlib.util
import json

import numpy as np
import pytest
import tifffile
from PIL import Image

import wsiseg
from commands import run


def test_demo_builds_a_slide_and_segments_it(tmp_path, monkeypatch):
    from wsiseg.demo import slide

    small = slide.build_demo_slide
    monkeypatch.setattr(slide, "build_demo_slide", lambda path: small(path, 700, 900))
    result = run("demo", "-o", tmp_path / "demo", "--json")
    assert result.status == 0
    (entry,) = json.loads(result.out)["slides"]
    # All of the slide but for the glass.
    assert 0.4 < entry["megapixels"] < 0.63
    assert (tmp_path / "demo" / "demo.ome.zarr" / "zarr.json").is_file()
    built = (tmp_path / "demo" / "demo.tiff").stat().st_mtime_ns
    again = run("demo", "-o", tmp_path / "demo")
    look = f"wsiseg view {tmp_path / 'demo' / 'demo.tiff'} {entry['mask']}"
    there = importlib.util.find_spec
    if there("napari") is not None:
        assert f"To look at it:  {look}\n" in again.out
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *package: None if name == "napari" else there(name, *package),
    )
    assert "pip install 'wsiseg[viewer]'" in run("demo", "-o", tmp_path / "demo").out
    assert "medical device" in again.out
    assert "exists already" in again.err
    assert (tmp_path / "demo" / "demo.tiff").stat().st_mtime_ns == built


def test_demo_builds_the_slide_of_another_version_anew(tmp_path, monkeypatch):
    from wsiseg.demo import slide

    small = slide.build_demo_slide
    monkeypatch.setattr(slide, "build_demo_slide", lambda path: small(path, 300, 400))
    path = tmp_path / "demo.tiff"
    for software in ("wsiseg demo", "wsiseg demo 99"):
        tifffile.imwrite(path, np.zeros((30, 40, 3), np.uint8), software=software, metadata=None)
        found = run("demo", "-o", tmp_path, "--json")
        assert (found.status, "exists already" in found.err) == (0, False)
        assert "CC0" in found.err
        with wsiseg.open_slide(path) as built:
            assert built.levels[0].box.shape == (300, 400)


def test_demo_advises_nothing_that_it_does_not_offer(tmp_path, monkeypatch):
    from wsiseg.demo import slide
    from wsiseg.throughput.summary import TimeShares

    small = slide.build_demo_slide
    monkeypatch.setattr(slide, "build_demo_slide", lambda path: small(path, 300, 400))
    monkeypatch.setattr(TimeShares, "bottleneck", "reading")
    found = run("demo", "-o", tmp_path)
    assert "\nbottleneck  reading (a faster disk would help)\n" in found.out


@pytest.mark.parametrize("kind", ["TIFF", "text"])
def test_demo_leaves_a_users_file_of_that_name_alone(tmp_path, kind):
    path = tmp_path / "demo.tiff"
    if kind == "TIFF":
        Image.new("RGB", (40, 30)).save(path)
    else:
        path.write_text("mine")
    before = path.read_bytes()
    result = run("demo", "-o", tmp_path)
    assert result.status == 1
    assert "was not built by wsiseg demo" in result.err
    assert "--output" in result.err
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["demo.tiff"]
