"""Chunks of Zarr that hold more than they may."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import zarr
from numcodecs import GZip, Zlib, Zstd
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from wsiseg.errors import DamagedSlideError
from wsiseg.tiling import open_slide
from wsiseg.tiling.slides.chunk_limits import unfold

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 96, 128), np.uint8)
CODECS = {"gzip": GzipCodec(), "zstd": ZstdCodec(checksum=True), "blosc": BloscCodec()}
OLD = {"gzip": GZip(), "zlib": Zlib(), "zstd": Zstd()}
AXES = [{"name": name, "type": "space" if name != "c" else "channel"} for name in "cyx"]


def write(path: Path, kind: str, *, old: bool, sharded: bool = False) -> Path:
    image = {"version": "0.4" if old else "0.5", "axes": AXES, "datasets": [{"path": "0"}]}
    scale = [{"type": "scale", "scale": [1, 1, 1]}]
    image["datasets"][0]["coordinateTransformations"] = scale
    group = zarr.open_group(path, mode="w", zarr_format=2 if old else 3)
    content = {"multiscales": [image]}
    group.attrs.update(content if old else {"ome": {"version": "0.5", **content}})
    options = {"shards": (3, 64, 64)} if sharded else {}
    codec = OLD[kind] if old else CODECS[kind]
    array = group.create_array(
        "0", shape=PIXELS.shape, chunks=(3, 32, 32), dtype="u1", compressors=codec, **options
    )
    array[:] = PIXELS
    return path


KINDS = [(kind, False) for kind in CODECS] + [(kind, True) for kind in OLD]


@pytest.mark.parametrize(("kind", "old"), KINDS)
def test_sound_chunks_are_read(kind: str, old: bool, tmp_path: Path) -> None:
    for sharded in (False,) if old else (False, True):
        path = write(tmp_path / f"{sharded}.zarr", kind, old=old, sharded=sharded)
        with open_slide(path) as slide:
            whole = slide.read_region(0, slide.levels[0].box)
        np.testing.assert_array_equal(whole, PIXELS.transpose(1, 2, 0))


@pytest.mark.parametrize(("kind", "old"), KINDS)
def test_a_chunk_that_unfolds_to_much_is_damaged(kind: str, old: bool, tmp_path: Path) -> None:
    path = write(tmp_path / "x.zarr", kind, old=old)
    chunk = next(each for each in (path / "0").rglob("*") if each.name in ("0.0.0", "0"))
    if chunk.is_dir():
        chunk = path / "0" / "c" / "0" / "0" / "0"
    if not chunk.is_file():
        chunk = path / "0" / "0.0.0"
    bomb = zarr.open_group(tmp_path / "bomb", mode="w", zarr_format=2 if old else 3)
    codec = OLD[kind] if old else CODECS[kind]
    big = bomb.create_array("0", shape=(2**24,), chunks=(2**24,), dtype="u1", compressors=codec)
    big[:] = np.ones(2**24, np.uint8)
    made = tmp_path / "bomb" / "0" / ("0" if old else "c/0")
    chunk.write_bytes(made.read_bytes())
    with (
        open_slide(path) as slide,
        pytest.raises(DamagedSlideError, match="more than a chunk's size"),
    ):
        slide.read_region(0, slide.levels[0].box)


def test_what_is_unfolded_is_limited() -> None:
    two = gzip.compress(b"a" * 50) + gzip.compress(b"b" * 50)
    assert unfold("gzip", two, 100) == b"a" * 50 + b"b" * 50
    with pytest.raises(ValueError, match="more than"):
        unfold("gzip", two, 99)
    with pytest.raises(ValueError, match="ends early"):
        unfold("gzip", two[:-4], 100)


def test_absurd_metadata_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.zarr", "gzip", old=False)
    file = path / "zarr.json"
    content = json.loads(file.read_text())
    sound = json.dumps(content)
    content["attributes"]["ome"]["multiscales"][0]["datasets"] *= 1000
    file.write_text(json.dumps(content))
    with pytest.raises(DamagedSlideError, match="1000 levels"):
        open_slide(path)
    file.write_text('{"attributes":' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(DamagedSlideError):
        open_slide(path)
    file.write_text(sound + " " * 2**25)
    with pytest.raises(DamagedSlideError, match="bytes"):
        open_slide(path)
