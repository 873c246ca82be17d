"""Headers that nobody can have meant, refused before a library follows them."""

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import vendor_slides as made
from slide_files import MADE
from wsiseg.errors import DamagedSlideError, SlideError, UnsuitableSlideError
from wsiseg.tiling.slides.openslide import OpenSlideSlide
from wsiseg.tiling.slides.tiff import TiffSlide
from wsiseg.tiling.slides.tiff_structure import check_structure

SHORT, LONG, LONG8 = 3, 4, 16
# Of a sound TIFF of one uncompressed grey tile.
SOUND = {
    256: (LONG, 64),
    257: (LONG, 64),
    258: (SHORT, 8),
    259: (SHORT, 1),
    262: (SHORT, 1),
    277: (SHORT, 1),
    322: (LONG, 64),
    323: (LONG, 64),
    324: (LONG, 8),
    325: (LONG, 4096),
}


def directory(following: int, big: bool = False, **changes: tuple[int, int]) -> bytes:
    """Return one directory; a change is named by its tag, ``t256``."""
    tags = {**SOUND, **{int(name[1:]): value for name, value in changes.items()}}
    count, entry, offset = ("<Q", "<HHQQ", "<Q") if big else ("<H", "<HHII", "<I")
    content = struct.pack(count, len(tags))
    for tag, (kind, value) in sorted(tags.items()):
        content += struct.pack(entry, tag, kind, 1, value)
    return content + struct.pack(offset, following)


def tiff(*directories: bytes) -> bytes:
    """Return a file of its pixels and the directories right behind them."""
    return struct.pack("<2sHI", b"II", 42, 8 + 4096) + bytes(4096) + b"".join(directories)


def big_tiff(content: bytes) -> bytes:
    return struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) + content


def chain(count: int) -> bytes:
    """Return directories of which each points to the next."""
    length = len(directory(0))
    places = [8 + 4096 + length * (index + 1) for index in range(count)]
    return b"".join(directory(place) for place in (*places[:-1], 0))


START = 8 + 4096
ABSURD = {
    "width of 2**31": (tiff(directory(0, t256=(LONG, 2**31))), "width of page 0"),
    "height of 0": (tiff(directory(0, t257=(LONG, 0))), "height of page 0 is 0"),
    "tile of 0": (tiff(directory(0, t322=(LONG, 0))), "tile width of page 0 is 0"),
    "tile of a gigabyte": (
        tiff(directory(0, t322=(LONG, 65536), t323=(LONG, 65536))),
        "tiles of page 0",
    ),
    "too few tiles": (
        tiff(directory(0, t256=(LONG, 2**31 - 1), t257=(LONG, 2**31 - 1))),
        "tiles|Invalid TIFF",
    ),
    "tile bytes of 4 GiB": (
        tiff(directory(0, t325=(LONG, 2**32 - 1))),
        r"cut off \(incomplete copy\?\)",
    ),
    "tile beyond the end": (
        tiff(directory(0, t324=(LONG, 2**31))),
        r"cut off \(incomplete copy\?\)",
    ),
    "directory beyond the end": (tiff(directory(2**31)), "behind its end"),
    "loop of one": (tiff(directory(START)), "loop"),
    "loop of two": (tiff(directory(START + len(directory(0))), directory(START)), "loop"),
    "65,535 pages": (tiff(chain(65_535)), "pages"),
    "entries of no end": (struct.pack("<2sHIHI", b"II", 42, 8, 65535, 0) + bytes(800_000), "65535"),
    "big, offsets beyond all": (
        big_tiff(directory(0, big=True, t324=(LONG8, 2**64 - 1))),
        r"cut off \(incomplete copy\?\)",
    ),
    "big, directory beyond all": (
        big_tiff(directory(2**64 - 1, big=True, t325=(LONG, 9))),
        "behind its end",
    ),
}


@pytest.mark.parametrize("name", ABSURD)
@pytest.mark.parametrize("reader", [TiffSlide, OpenSlideSlide])
def test_absurd_directories_are_refused(
    name: str, reader: Callable[[Path], object], tmp_path: Path
) -> None:
    content, message = ABSURD[name]
    path = tmp_path / "slide.tif"
    path.write_bytes(content)
    with pytest.raises((DamagedSlideError, UnsuitableSlideError), match=message) as caught:
        reader(path)
    assert caught.value.where in (path, str(path))


def test_what_is_sound_passes(tmp_path: Path, data: Path) -> None:
    (tmp_path / "slide.tif").write_bytes(tiff(directory(0)))
    with TiffSlide(tmp_path / "slide.tif") as slide:
        assert slide.levels[0].box.shape == (64, 64)
    for path in (made.leica(tmp_path), made.perkinelmer(tmp_path), made.aperio(tmp_path)):
        check_structure(path)
    for path in (data / "slides").rglob("*"):
        if path.is_file() and path.parent.name != "broken":
            check_structure(path)


CHILD = """
import json, logging, resource, sys
from pathlib import Path
from wsiseg.errors import SlideError
from wsiseg.tiling import Box, open_slide
logging.disable()
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before, kinds = peak(), []
for path in map(Path, sys.argv[1:]):
    try:
        with open_slide(path) as slide:
            slide.read_region(0, Box(0, 0, 64, 64))
        kinds.append("read")
    except SlideError as error:
        kinds.append(type(error).__name__)
print(json.dumps([kinds, (peak() - before) / 1024]))
"""


def test_refusing_what_is_broken_takes_little_memory(
    tmp_path: Path, slide_file: Callable[[str], Path]
) -> None:
    """In a process of its own, as a peak of memory is never forgotten."""
    paths = []
    for index, (content, _) in enumerate(ABSURD.values()):
        paths.append(tmp_path / f"{index}.tif")
        paths[-1].write_bytes(content)
    for name in ("bomb.png", "bomb.webp", "bomb.bmp", "bomb.gif", "bomb.ppm"):
        paths.append(tmp_path / name)
        save_bomb(paths[-1])
    paths += [slide_file(name) for name in MADE if name.startswith("broken/")]
    words = [sys.executable, "-c", CHILD, *map(str, paths)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    kinds, megabytes = json.loads(done.stdout)
    assert len(kinds) == len(paths)
    assert all(issubclass(getattr(sys.modules["wsiseg.errors"], k), SlideError) for k in kinds)
    assert megabytes < 200


def save_bomb(path: Path) -> None:
    """Write a header that claims 2**31 - 1 pixels a side, or as many as the format has."""
    small = path.with_name("small" + path.suffix)
    Image.new("RGB", (40, 30)).save(small, lossless=True)
    content = bytearray(small.read_bytes())
    small.unlink()
    most = 2**31 - 1
    if path.suffix == ".png":
        content[16:24] = struct.pack(">II", most, most)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    elif path.suffix == ".bmp":
        content[18:26] = struct.pack("<II", most, most)
    elif path.suffix == ".gif":
        content[6:10] = content[13 + 768 + 5 : 13 + 768 + 9] = b"\xff" * 4
    elif path.suffix == ".webp":
        content[21:25] = b"\xff\xff\xff\x0f"
    else:
        content[:13] = b"P6 2147483647 2147483647 255\n"
    path.write_bytes(content)
