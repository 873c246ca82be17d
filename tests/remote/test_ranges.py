"""Slides behind addresses, read by ranges; and what is told of addresses."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from commands import run
from http_servers import Server, running
from jpeg_slide import tissue, write_jpeg_slide
from tiny import segment_tiny
from wsiseg.demo.sections import TISSUE
from wsiseg.errors import (
    AddressError,
    RuntimeUnavailableError,
    SlideNotFoundError,
    UnknownFormatError,
)
from wsiseg.remote.addresses import mask, url_or_path
from wsiseg.remote.remote_path import RemotePath, as_place
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.slides.file_bytes import FileBytes

PLACE = "/slides/a%20b.svs"


@pytest.fixture
def server():
    with running(Server()) as started:
        yield started


def touched(monkeypatch: pytest.MonkeyPatch, slide: Path, box: Box) -> tuple[np.ndarray, int]:
    """Return pixels of a file on this machine, and the bytes of the tiles that hold them."""
    spans: set[tuple[int, int]] = set()
    read = FileBytes.read

    def watched(self: FileBytes, start: int, count: int) -> bytes:
        spans.add((start, count))
        return read(self, start, count)

    with monkeypatch.context() as patch, open_slide(slide) as opened:
        patch.setattr(FileBytes, "read", watched)
        pixels = opened.read_region(0, box)
    return pixels, sum(count for _, count in spans)


def test_no_more_is_fetched_than_the_tiles_that_are_touched(server, monkeypatch, tmp_path):
    large = write_jpeg_slide(tmp_path / "large.tiff", 4096, 4096, tile=256)
    for file, box in ((TISSUE, Box(700, 600, 1100, 900)), (large, Box(0, 1000, 2000, 1500))):
        pixels, least = touched(monkeypatch, file, box)
        server.put(PLACE, file.read_bytes())
        server.sent = 0
        with open_slide(server.url + PLACE) as slide:
            np.testing.assert_array_equal(slide.read_region(0, box), pixels)
            np.testing.assert_array_equal(slide.read_region(0, box), pixels)
        assert least < server.sent <= 1.3 * least < file.stat().st_size


def test_pixels_without_compression_are_read_row_by_row(server, tmp_path):
    file, pixels = tmp_path / "plain.tiff", tissue(300, 3000)
    tifffile.imwrite(file, pixels, photometric="rgb")
    server.put(PLACE, file.read_bytes())
    with open_slide(server.url + PLACE) as slide:
        server.sent = 0
        part = slide.read_region(0, Box(100, 2000, 50, 400))
    np.testing.assert_array_equal(part, pixels[100:150, 2000:2400])
    assert server.sent == part.nbytes


def test_a_slide_in_a_bucket_is_read_by_ranges(bucket, tmp_path):
    slide = write_jpeg_slide(tmp_path / "a.tiff", 500, 700, tile=64)
    where = f"{bucket}/in/a.tiff"
    RemotePath(where).write_bytes(slide.read_bytes())
    with open_slide(where) as there, open_slide(slide) as here:
        whole = here.levels[0].box
        np.testing.assert_array_equal(there.read_region(0, whole), here.read_region(0, whole))
        assert (there.name, there.mpp, there.reader) == ("a", here.mpp, "tifffile")
        before = there.fingerprint()
    RemotePath(where).write_bytes(slide.read_bytes()[:-1] + b"\0")
    with open_slide(where) as there:
        assert there.fingerprint() != before


def test_a_network_that_goes_is_no_damage_of_the_slide(server, tmp_path):
    server.put(PLACE, TISSUE.read_bytes())
    with open_slide(server.url + PLACE) as slide:
        server.stop()
        with pytest.raises(AddressError, match="not reached"):
            segment_tiny(slide, tmp_path, level=0)
    assert not list(tmp_path.glob("*.ome.zarr/zarr.json"))


def test_what_cannot_be_read_is_said_in_one_line(server, bucket, monkeypatch):
    with pytest.raises(SlideNotFoundError, match="no slide at this address"):
        open_slide(f"{server.url}/nothing.svs")
    with pytest.raises(SlideNotFoundError, match="no slide at this address"):
        open_slide(f"{bucket}/nothing.svs")
    with pytest.raises(AddressError, match=r"no such bucket: s3://nobodys-lab \("):
        open_slide("s3://nobodys-lab/a.svs")
    server.put("/picture.png", b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(UnknownFormatError, match="copy other slides to this machine"):
        open_slide(f"{server.url}/picture.png")
    server.put(PLACE, TISSUE.read_bytes())
    server.sends_parts = False
    with pytest.raises(AddressError, match="does not send parts"):
        open_slide(server.url + PLACE)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(RuntimeUnavailableError, match=r"pip install 'wsiseg\[remote\]'"):
        open_slide("gs://lab/a.svs")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:hush@host/a.svs?X-Amz-Signature=hush#hush", "https://host/a.svs?…"),
        ("https://hush@host:80/a.svs", "https://host:80/a.svs"),
        ("s3://bucket/a key@2:3.svs", "s3://bucket/a key@2:3.svs"),
        ("s3://KEY:hush@bucket/a.svs", "s3://bucket/a.svs"),
        ("abfss://container@lab.dfs.core.windows.net/a.svs",) * 2,
        ("az://container/a.svs?sv=1&sig=hush", "az://container/a.svs?…"),
    ],
)
def test_addresses_are_shown_without_what_is_secret(url, shown):
    path = as_place(url)
    assert isinstance(path, RemotePath)
    assert str(path) == url_or_path(path) == url_or_path(Path(url)) == mask(url) == shown
    assert "hush" not in f"{path} {path!r} {path.name} {path.as_posix()}"
    assert path.url == url.partition("#")[0] or path.url == url
    assert path.stem == Path(shown.partition("?")[0]).stem


def test_a_secret_of_an_address_is_written_nowhere(server, tmp_path):
    server.put(f"{PLACE}?token=hush", TISSUE.read_bytes())
    where = server.url.replace("http://", "http://me:hush@") + f"{PLACE}?token=hush"
    told = run("info", where, "--json")
    assert told.status == 0, told.err
    assert json.loads(told.out)["slide"] == f"{server.url}{PLACE}?…"
    words = ["segment", where, "-o", tmp_path, "--level", "0", "--tissue", "none", "--force"]
    told = run(*words, "--roi", _square(tmp_path / "roi.geojson"), "--runtime", "torch", "--json")
    assert told.status == 0, told.err
    failed = run("segment", where.replace("svs", "tif"), "-o", tmp_path, "--debug")
    assert failed.status == 1
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    written = b"".join(path.read_bytes() for path in files).decode("latin-1")
    for text in (told.out, told.err, failed.out, failed.err, written, str(files)):
        assert "hush" not in text


def _square(file: Path) -> Path:
    ring = [[0, 0], [90, 0], [90, 90], [0, 90], [0, 0]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    file.write_text(json.dumps({"type": "Feature", "geometry": shape, "properties": {}}))
    return file
