"""TIFFs made to exhaust whoever reads them: refused before any library is given the file."""

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from wsiseg.errors import DamagedSlideError, SlideError
from wsiseg.tiling.slides.tiff_structure import check_structure

SHORT, LONG, LONG8, ASCII = 3, 4, 16, 2
TABLE = 24_000_000
Entry = tuple[int, int, int, int]
SOUND: tuple[Entry, ...] = (
    (256, LONG, 1, 64),
    (257, LONG, 1, 64),
    (258, SHORT, 1, 8),
    (259, SHORT, 1, 1),
    (262, SHORT, 1, 1),
    (277, SHORT, 1, 1),
    (322, LONG, 1, 64),
    (323, LONG, 1, 64),
    (324, LONG, 1, 8),
    (325, LONG, 1, 4096),
)
PIXELS = bytes(4096)


def directory(following: int, *entries: Entry, big: bool = False) -> bytes:
    """Return a directory of a sound page with other entries: tag, type, count, value."""
    changed = {entry[0] for entry in entries}
    kept = [*(entry for entry in SOUND if entry[0] not in changed), *entries]
    count, entry_code, offset = ("<Q", "<HHQQ", "<Q") if big else ("<H", "<HHII", "<I")
    content = struct.pack(count, len(kept))
    for entry in sorted(kept, key=lambda each: each[0]):
        content += struct.pack(entry_code, *entry)
    return content + struct.pack(offset, following)


def chain(count: int, start: int, *entries: Entry, big: bool = False) -> bytes:
    """Return so many directories in a row, the first of which begins at `start`."""
    length = len(directory(0, *entries, big=big))
    places = [start + length * (index + 1) for index in range(count - 1)]
    return b"".join(directory(place, *entries, big=big) for place in (*places, 0))


def write(path: Path, content: bytes, size: int = 0, big: bool = False) -> None:
    """Write a header, pixels and directories; up to `size` the file is a hole."""
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16 + 4096)
    if not big:
        head = struct.pack("<2sHI", b"II", 42, 8 + 4096)
    with path.open("wb") as file:
        file.write(head + PIXELS + content)
        file.truncate(max(size, file.tell()))


START, BIG_START = 8 + 4096, 16 + 4096


def shared_table(path: Path) -> None:
    table = ((324, LONG, TABLE, 200_000), (325, LONG, TABLE, 200_000))
    write(path, chain(1024, START, *table), 200_000 + 4 * TABLE)


def shared_table_big(path: Path) -> None:
    table = ((324, LONG8, TABLE, 600_000), (325, LONG8, TABLE, 600_000))
    write(path, chain(1024, BIG_START, *table, big=True), 600_000 + 8 * TABLE, big=True)


def many_sub_directories(path: Path) -> None:
    sub = START + len(directory(0, (330, LONG, 1, 0)))
    places = np.arange(65_535, dtype="<u4") * len(directory(0)) + sub + 4 * 65_535
    first = directory(0, (330, LONG, 65_535, sub))
    write(path, first + places.tobytes() + chain(1, 0) * 65_535)


def sub_directories_with_tables(path: Path) -> None:
    """Write few pages, each with many directories below that share a table."""
    table = ((324, LONG, 100_000, 200_000), (325, LONG, 100_000, 200_000))
    first = directory(0, (330, LONG, 500, START + 1000))
    child = directory(0, *table)
    places = np.arange(500, dtype="<u4") * len(child) + START + 4000
    content = first.ljust(1000, b"\0") + places.tobytes().ljust(3000, b"\0") + child * 500
    write(path, content, 800_000)


def sub_directory_of_itself(path: Path) -> None:
    write(path, directory(0, (330, LONG, 1, START)))


def nested_sub_directories(path: Path) -> None:
    length = len(directory(0, (330, LONG, 1, 0)))
    places = [START + length * (index + 1) for index in range(3000)]
    write(path, b"".join(directory(0, (330, LONG, 1, place)) for place in (*places, 0)))


def the_same_tag_many_times(path: Path) -> None:
    table = [(324, LONG, 400_000, 200_000)] * 2000
    entries = [entry for entry in SOUND if entry[0] != 324] + table
    content = struct.pack("<H", len(entries))
    content += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    write(path, content, 200_000 + 4 * 400_000)


def hamamatsus_tables(path: Path) -> None:
    extra = ((65420, LONG, 1, 1), (65426, LONG, TABLE, 400_000))
    table = ((324, LONG, TABLE, 400_000), (325, LONG, TABLE, 400_000))
    kept = directory(0, *extra, *table)[:-4]
    length = len(kept) + 8
    content = b"".join(
        kept + struct.pack("<Q", START + length * (index + 1)) for index in range(1024)
    )
    write(path, content, 400_000 + 4 * TABLE)


def long_description(path: Path) -> None:
    write(path, directory(0, (270, ASCII, 2**31, 5000)), 2**31 + 10_000)


def descriptions_of_pages(path: Path) -> None:
    write(path, chain(1000, START, (270, ASCII, 2**22, 500_000)), 2**22 + 500_000)


def counts_beyond_all(path: Path) -> None:
    write(path, directory(0, (324, LONG8, 2**61, 5000), big=True), big=True)


def tiles_of_one_pixel(path: Path) -> None:
    sides = ((256, LONG, 1, 40_000), (257, LONG, 1, 40_000), (322, LONG, 1, 1), (323, LONG, 1, 1))
    write(path, directory(0, *sides))


def one_tile_of_gigabytes(path: Path) -> None:
    sides = [(code, LONG, 1, 60_000) for code in (256, 257, 322, 323)]
    write(path, directory(0, *sides, (259, SHORT, 1, 8)))


def one_strip_of_gigabytes(path: Path) -> None:
    strip = [(code, LONG, 1, 100_000) for code in (256, 257, 278)]
    strip += [(273, LONG, 1, 8), (279, LONG, 1, 4096), (259, SHORT, 1, 8)]
    kept = [entry for entry in SOUND if entry[0] not in {256, 257, 259, 322, 323, 324, 325}]
    content = struct.pack("<H", len(kept) + len(strip))
    content += b"".join(struct.pack("<HHII", *e) for e in sorted([*kept, *strip])) + bytes(4)
    write(path, content)


def thousands_of_entries(path: Path) -> None:
    private = [(60_000 + index % 5000, LONG, 1, 0) for index in range(4000)]
    write(path, chain(1024, START, *private))


def deep_xml(path: Path) -> None:
    text = b"<OME>" * 600_000 + b"</OME>" * 600_000
    write(path, directory(0, (270, ASCII, len(text), 5000)).ljust(5000 - START, b"\0") + text)


def entities(path: Path) -> None:
    lines = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
    text = f'<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY e0 "aaaaaaaaaa">{lines}]><OME>&e9;</OME>'
    content = directory(0, (270, ASCII, len(text), 5000)).ljust(5000 - START, b"\0")
    write(path, content + text.encode())


REFUSED: list[Callable[[Path], None]] = [
    shared_table,
    shared_table_big,
    many_sub_directories,
    sub_directories_with_tables,
    sub_directory_of_itself,
    nested_sub_directories,
    the_same_tag_many_times,
    hamamatsus_tables,
    long_description,
    descriptions_of_pages,
    counts_beyond_all,
    tiles_of_one_pixel,
    one_tile_of_gigabytes,
    one_strip_of_gigabytes,
    thousands_of_entries,
]
READ: list[Callable[[Path], None]] = [deep_xml, entities]

CHILD = """
import json, logging, re, resource, sys, time
from pathlib import Path
from wsiseg.errors import SlideError
from wsiseg.tiling import Box, open_slide
logging.disable()
resource.setrlimit(resource.RLIMIT_AS, (2**31 + 2**30, -1))
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
before = peak()
for path in map(Path, sys.argv[1:]):
    for reader in (None, "tifffile", "openslide", "pillow"):
        start = time.perf_counter()
        try:
            with open_slide(path, reader) as slide:
                slide.read_region(0, Box(0, 0, 64, 64))
            found = ["read", ""]
        except SlideError as error:
            found = [type(error).__name__, error.what]
        seconds = time.perf_counter() - start
        print(json.dumps([path.name, reader, *found, seconds, peak() - before]), flush=True)
"""


def report(paths: list[Path]) -> list[tuple[str, str | None, str, str, float, float]]:
    words = [sys.executable, "-c", CHILD, *map(str, paths)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-500:]
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_what_is_made_to_exhaust_is_refused_in_little_memory(tmp_path: Path) -> None:
    paths = []
    for make in REFUSED:
        paths.append(tmp_path / f"{make.__name__}.tif")
        make(paths[-1])
    found = report(paths)
    assert len(found) == 4 * len(paths)
    for name, reader, kind, what, _, megabytes in found:
        assert kind.endswith("Error"), (name, reader)
        assert what, (name, reader)
        assert megabytes < 300, (name, reader, megabytes)


def test_xml_that_is_made_to_exhaust_says_nothing(tmp_path: Path) -> None:
    paths = []
    for make in READ:
        paths.append(tmp_path / f"{make.__name__}.tif")
        make(paths[-1])
    for name, reader, _, _, _, megabytes in report(paths):
        assert megabytes < 600, (name, reader, megabytes)


@pytest.mark.parametrize("make", [shared_table, many_sub_directories, hamamatsus_tables])
def test_the_directories_alone_tell(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "slide.tif")
    with pytest.raises(SlideError, match=r"more than 1024 pages|more pieces of pixels"):
        check_structure(tmp_path / "slide.tif")


def test_a_large_slide_is_none_of_these(tmp_path: Path) -> None:
    """600,000 tiles on the finest level, and a pyramid of ten."""
    content, place = b"", BIG_START
    tables = 2**16
    for level in range(10):
        edge = 200_000 >> level
        tiles = (-(-edge // 256)) ** 2
        entries = [(code, LONG, 1, edge) for code in (256, 257)]
        entries += [(code, LONG, 1, 256) for code in (322, 323)]
        entries += [(code, LONG8, tiles, tables) for code in (324, 325)]
        place += len(directory(0, *entries, big=True))
        content += directory(place if level < 9 else 0, *entries, big=True)
    write(tmp_path / "slide.tif", content, tables + 8 * 620_000, big=True)
    check_structure(tmp_path / "slide.tif")


def test_pages_share_what_is_small(tmp_path: Path) -> None:
    """A pyramid whose levels are below its page, as OME-TIFF has them."""
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        options = {"tile": (64, 64), "photometric": "rgb", "metadata": None}
        writer.write(np.zeros((256, 256, 3), np.uint8), subifds=2, **options)
        for edge in (128, 64):
            writer.write(np.zeros((edge, edge, 3), np.uint8), subfiletype=1, **options)
    check_structure(path)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        tag = file.pages.first.tags[330]
    struct.pack_into("<Q", content, tag.valueoffset, file.pages.first.offset)
    path.write_bytes(content)
    with pytest.raises(DamagedSlideError, match="loop"):
        check_structure(path)
