"""A slide that changes anywhere is another one."""

import numpy as np
import pytest
import zarr

from wsiseg.tiling import open_slide
from wsiseg.tiling.slides import omezarr
from wsiseg.tiling.slides.fingerprint import BETWEEN, fingerprint
from zarr_images import write_image

MIB = 2**20


@pytest.mark.parametrize("size", [5, 3 * MIB, 64 * MIB + 7, 900 * MIB])
def test_a_byte_in_the_middle_tells_a_file(tmp_path, size):
    path = tmp_path / "slide.svs"
    with path.open("wb") as file:
        # Of a large one nothing is on the disk.
        file.truncate(size)
    before = fingerprint(path)
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"x")
    after = fingerprint(path)
    assert before["bytes"] == after["bytes"] == size
    assert before[BETWEEN] != after[BETWEEN]


def test_files_beside_it_count_as_well(tmp_path):
    path, beside = tmp_path / "a.mrxs", tmp_path / "a.dat"
    path.write_bytes(b"index")
    beside.write_bytes(b"pixels")
    before = fingerprint(path, [beside])
    beside.write_bytes(b"PIXELS")
    assert fingerprint(path, [beside])[BETWEEN] != before[BETWEEN]
    assert fingerprint(path, [beside])["sha256_of_ends"] == before["sha256_of_ends"]


@pytest.mark.parametrize("small", [0, 2**24])
def test_the_middle_of_a_store_tells_it(tmp_path, monkeypatch, small):
    monkeypatch.setattr(omezarr, "_SMALL", small)
    edge = 1100
    path = tmp_path / "slide.ome.zarr"
    write_image(path, [np.full((edge, edge), 200, np.uint8)], "yx")
    with open_slide(path) as slide:
        before = slide.fingerprint()
    zarr.open_array(path / "0", mode="r+")[edge // 2, edge // 2] = 7
    with open_slide(path) as slide:
        assert slide.fingerprint()[BETWEEN] != before[BETWEEN]
