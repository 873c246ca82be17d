"""Orders: what they name means the same on another machine, and shows no secret."""

from pathlib import Path

import pytest

from wsiseg.cluster.orders import SlideReference, absolute_place, from_the_root
from wsiseg.remote.remote_path import RemotePath, as_place
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.slide_jobs import SlideJob

SIGNED = "https://me:hush@host/a.svs?token=hush"


@pytest.mark.parametrize("kind", [Path, as_place])
def test_workers_get_an_address_with_its_secrets_which_are_not_shown(kind):
    place = absolute_place(kind(SIGNED))
    assert place == SIGNED
    assert "hush" not in repr(SlideReference(place, "tifffile", None, False, ""))


@pytest.mark.parametrize("kind", [Path, as_place])
def test_addresses_stay_and_paths_count_from_the_root(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    assert absolute_place(Path("a.svs")) == str(tmp_path / "a.svs")
    options = SegmentOptions(
        roi="s3://lab/roi.geojson", stain="macenko", stain_reference="r.svs", tissue="t.png"
    )
    job = from_the_root(SlideJob(kind(SIGNED), None, options, kind("s3://lab/out"), "a"))
    assert as_place(job.slide).url == SIGNED
    assert as_place(job.folder) == RemotePath("s3://lab/out")
    assert as_place(job.options.roi) == RemotePath("s3://lab/roi.geojson")
    assert job.options.stain_reference == tmp_path / "r.svs"
    assert job.options.tissue == str(tmp_path / "t.png")
    here = from_the_root(SlideJob(Path("a.svs"), None, SegmentOptions(), Path("out"), "a"))
    assert (here.slide, here.folder) == (tmp_path / "a.svs", tmp_path / "out")
