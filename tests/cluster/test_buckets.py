"""A slide and a mask behind addresses, and several workers: the bytes of one process."""

import pytest

import wsiseg
from jpeg_slide import write_jpeg_slide
from wsiseg.cluster import open_cluster
from wsiseg.models.checkpoint import untrained
from wsiseg.remote.remote_path import RemotePath


def objects(address: str) -> dict[str, bytes]:
    place = RemotePath(address)
    return {name: (place / name).read_bytes() for name in place.files_below()}


@pytest.mark.long
def test_workers_read_from_and_write_to_a_bucket(bucket, tmp_path):
    slide = write_jpeg_slide(tmp_path / "a.tiff", 4200, 90, tile=64)
    there = RemotePath(bucket) / "slides" / "a.tiff"
    there.write_bytes(slide.read_bytes())
    checkpoint = untrained("espnet-c", 3).save(tmp_path / "a.safetensors")
    options = {"level": 0, "tile": 128, "tissue": "none", "runtime": "torch", "halo": 8}
    wsiseg.segment(str(there), checkpoint, f"{bucket}/alone", probabilities=True, **options)
    with open_cluster(workers=2) as cluster:
        options["cluster"] = cluster
        wsiseg.segment(str(there), checkpoint, f"{bucket}/together", probabilities=True, **options)
    alone, together = objects(f"{bucket}/alone"), objects(f"{bucket}/together")
    assert alone.keys() == together.keys()
    timed = {"a.tiles.csv", "a.run.json"}
    assert [name for name in alone.keys() - timed if alone[name] != together[name]] == []
