"""Pictures of tissue above Pillow's limit, of many modes, and turned."""

import itertools
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tissue_places import has_tissue
from wsiseg.errors import AnnotationError
from wsiseg.tiling import tissue_picture
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.tissue_picture import read_tissue_picture


def plane(height: int, width: int) -> WorkingPlane:
    return WorkingPlane(height, width, 0, 1.0, 1.0, 0.5)


_READ = """
import resource, sys
from pathlib import Path
import numpy as np
resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30,) * 2)
from wsiseg.tiling.resolution import WorkingPlane
from wsiseg.tiling.tissue_picture import read_tissue_picture
from wsiseg.errors import AnnotationError
height, width = map(int, sys.argv[2:])
try:
    found = read_tissue_picture(Path(sys.argv[1]), WorkingPlane(height, width, 0, 1.0, 1.0, 0.5))
except AnnotationError as error:
    sys.exit(str(error))
rows, columns = np.nonzero(found.mask)
print(*found.mask.shape, rows.min(), rows.max(), columns.min(), columns.max())
"""


def read_within_limits(path: Path, height: int, width: int) -> subprocess.CompletedProcess[str]:
    """Read in a process that gets 2 GB and 20 s."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", _READ, str(path), str(height), str(width)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )


def png(path: Path, width: int, height: int, colour: int, row: bytes, rows: slice) -> Path:
    """Write a large PNG in little memory: the same row in some rows, and black elsewhere."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    first, last, _ = rows.indices(height)
    packed, black = zlib.compressobj(1), bytes(len(row) + 1)
    data = packed.compress(black * first)
    for _ in range(first, last):
        data += packed.compress(b"\0" + row)
    for _ in range(last, height):
        data += packed.compress(black)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", data + packed.flush()) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


def test_the_reported_picture_is_read(data):
    path = data / "reported" / "tissue_big216Mpx.png"
    done = read_within_limits(path, 12000, 18000)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == ["6000", "9000"]


@pytest.mark.long
def test_a_large_picture_of_colours_is_read(tmp_path):
    row = bytearray(3 * 12000)
    row[3 * 7001 : 3 * 7003] = b"\1\0\0\0\0\1"  # no black, however dark
    row[3 * 8000 : 3 * 8002] = b"\xff" * 6
    path = png(tmp_path / "a.png", 12000, 18000, 2, bytes(row), slice(9001, 9004))
    done = read_within_limits(path, 18000, 12000)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["9000", "6000", "4500", "4501", "3500", "4000"]


def test_what_is_gigantic_is_refused_in_one_line(tmp_path):
    path = png(tmp_path / "a.png", 60000, 50000, 0, bytes(60000), slice(0, 0))
    done = read_within_limits(path, 50000, 60000)
    assert done.returncode == 1
    assert "60000×50000 pixels is too large to be decoded" in done.stderr
    assert "Traceback" not in done.stderr


MODES = ("1", "L", "P", "RGB", "RGBA", "LA", "I;16")


# A PNG holds no 32 bits.
@pytest.mark.parametrize(
    ("kind", "mode"), [*itertools.product(("png", "tif"), MODES), ("tif", "I")]
)
def test_several_pixels_become_one_where_any_is_not_black(tmp_path, monkeypatch, kind, mode):
    monkeypatch.setattr(tissue_picture, "FINEST_EDGE", 40)
    pixels = np.zeros((97, 120), np.uint8)
    pixels[10, 11] = pixels[96, 119] = pixels[50, 59:61] = 255
    if mode in ("I;16", "I"):
        # What has a class of a small number is dark.
        dtype = np.uint16 if mode == "I;16" else np.int32
        picture = Image.fromarray((pixels > 0).astype(dtype))
    else:
        picture = Image.fromarray(pixels).convert(mode)
    picture.save(tmp_path / f"a.{kind}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_tissue_picture(tmp_path / f"a.{kind}", plane(9700, 12000))
    assert found.mask.shape == (33, 40)
    assert np.argwhere(found.mask).tolist() == [[3, 3], [16, 19], [16, 20], [32, 39]]
    assert has_tissue(found, Box(1000, 1100, 1, 1))


@pytest.mark.parametrize("tag", range(1, 9))
def test_a_picture_that_lies_on_its_side_is_turned(tmp_path, tag):
    from PIL import ImageOps

    pixels = np.zeros((60, 80), np.uint8)
    pixels[5:20, 40:70] = 255
    exif = Image.Exif()
    exif[0x0112] = tag
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as picture:
        upright = np.asarray(ImageOps.exif_transpose(picture)) > 0
    found = read_tissue_picture(tmp_path / "a.png", plane(*(10 * edge for edge in upright.shape)))
    np.testing.assert_array_equal(found.mask, upright)


def test_a_tiled_tiff_is_a_picture_too(tmp_path):
    pixels = np.zeros((600, 800), np.uint8)
    pixels[100:120, 700:790] = 3
    tifffile.imwrite(tmp_path / "a.tif", pixels, tile=(128, 128), compression="zlib")
    found = read_tissue_picture(tmp_path / "a.tif", plane(6000, 8000))
    np.testing.assert_array_equal(found.mask, pixels > 0)


def test_a_jpeg_that_is_too_large_is_decoded_smaller(tmp_path, monkeypatch):
    monkeypatch.setattr(tissue_picture, "LARGEST_DECODED", 100 * 160)
    pixels = np.zeros((400, 640), np.uint8)
    pixels[160:240, 320:400] = 255
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95)
    found = read_tissue_picture(tmp_path / "a.jpg", plane(400, 640))
    assert found.mask.shape[0] <= 100
    assert has_tissue(found, Box(200, 360, 8, 8))
    assert not has_tissue(found, Box(20, 20, 40, 40))
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.raises(AnnotationError, match="too large to be decoded"):
        read_tissue_picture(tmp_path / "a.png", plane(400, 640))


def test_reading_leaves_pillows_guard_alone(tmp_path):
    before = Image.MAX_IMAGE_PIXELS
    Image.new("L", (40, 40), 255).save(tmp_path / "a.png")
    assert read_tissue_picture(tmp_path / "a.png", plane(40, 40)).mask.all()
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("what", ["folder", "missing", "long"])
def test_no_picture_is_said_in_one_line(tmp_path, what):
    path = {"folder": tmp_path, "missing": tmp_path / "a", "long": Path("a" * 5000)}[what]
    with pytest.raises(AnnotationError, match="the tissue mask cannot be read"):
        read_tissue_picture(path, plane(100, 100))
