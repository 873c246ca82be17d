"""Files with bytes changed: whatever they say, nothing but our own errors comes of it."""

import io
import re
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from jpeg_slide import tissue
from reading_process import Worker
from repetitions import repetitions
from zeiss_slide import zeiss

MOST_MEGABYTES = 1024
CASES = repetitions(300, 2000)

FAULTS = {
    "libraries raise what they like": (
        "from wsiseg import error_translation; error_translation.Exception = ZeroDivisionError"
    ),
    "damage is no error of ours": (
        "from wsiseg.tiling.slides import openslide; openslide.DamagedSlideError = ValueError"
    ),
}
"""What is done to the process that reads before it begins."""


@dataclass(frozen=True)
class Seed:
    """A sound file, and which of its bytes are not pixels."""

    name: str
    content: bytes = field(repr=False)
    header: tuple[int, ...] = field(repr=False)


def tiff(name: str, *, bigtiff: bool = False, byteorder: str = "<", **options: object) -> Seed:
    """Return a pyramid of two levels."""
    file = io.BytesIO()
    pixels = tissue(70, 90)
    options = {"photometric": "rgb", "tile": (32, 32), "metadata": None, **options}
    with tifffile.TiffWriter(file, bigtiff=bigtiff, byteorder=byteorder) as writer:
        for k in range(2):
            writer.write(pixels[:: 2**k, :: 2**k], subfiletype=int(k > 0), **options)
    content = file.getvalue()
    header = np.ones(len(content), bool)
    with tifffile.TiffFile(io.BytesIO(content)) as opened:
        for page in opened.pages:
            for start, length in zip(page.dataoffsets, page.databytecounts, strict=True):
                header[start + 8 : start + length] = False
    return Seed(name, content, tuple(np.flatnonzero(header).tolist()))


def picture(kind: str) -> Seed:
    """Return a plain picture."""
    file = io.BytesIO()
    Image.fromarray(tissue(70, 90)).save(file, kind)
    content = file.getvalue()
    return Seed(f"picture.{kind}", content, tuple(range(min(700, len(content)))))


def deep(kind: str) -> Seed:
    """Return a picture of 16 bits a channel."""
    pixels = tissue(70, 90).astype(np.uint16) * 257
    encode = {"png": imagecodecs.png_encode, "jp2": imagecodecs.jpeg2k_encode}[kind]
    content = encode(pixels)
    return Seed(f"deep.{kind}", content, tuple(range(min(300, len(content)))))


def czi() -> Seed:
    """Return a mosaic of Zeiss's, of whose pixels little is changed."""
    with tempfile.TemporaryDirectory() as folder:
        content = zeiss(Path(folder)).read_bytes()
    header = np.ones(len(content), bool)
    for found in re.finditer(b"ZISRAWSUBBLOCK", content):
        (length,) = struct.unpack_from("<q", content, found.start() + 40)
        header[found.start() + 296 : found.start() + 288 + length] = False
    return Seed("slide.czi", content, tuple(np.flatnonzero(header).tolist()))


def seeds() -> list[Seed]:
    """Return one sound file for each way to be read."""
    jpeg = {"compression": "jpeg", "compressionargs": {"outcolorspace": "ycbcr"}}
    aperio = "Aperio Image Library v1\n90x70 |AppMag = 20|MPP = 0.5"
    return [
        tiff("jpeg.tif", **jpeg),
        tiff("aperio.svs", description=aperio, **jpeg),
        tiff("deflate.tif", compression="zlib", predictor=True),
        tiff("big.tif", compression="lzw", bigtiff=True, byteorder=">"),
        tiff("plain.ome.tif", metadata={"axes": "YXS"}),
        tiff("strips.tif", tile=None, rowsperstrip=16, compression="zlib"),
        czi(),
        picture("png"),
        picture("jpeg"),
        picture("bmp"),
        deep("png"),
        deep("jp2"),
    ]


SEEDS = seeds()


@dataclass(frozen=True)
class Mutation:
    """A seed with other bytes at some places, of which only so many are left."""

    seed: Seed
    changes: tuple[tuple[int, bytes], ...]
    length: int

    def __repr__(self) -> str:
        return f"Mutation({self.seed.name}, {self.changes}, {self.length})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        # Hypothesis would print the whole file, and warn of that instead of telling what failed.
        printer.text(repr(self))

    @property
    def content(self) -> bytes:
        content = bytearray(self.seed.content)
        for place, new in self.changes:
            content[place : place + len(new)] = new
        return bytes(content[: self.length])


@st.composite
def mutations(draw: st.DrawFn) -> Mutation:
    """Draw a file with some numbers in its header changed, or its end cut off."""
    seed = draw(st.sampled_from(SEEDS))
    changes = []
    for _ in range(draw(st.integers(1, 5))):
        width = draw(st.sampled_from([1, 1, 1, 2, 4, 8]))
        order = draw(st.sampled_from(["little", "big"]))
        whole = 2 ** (8 * width)
        number = draw(
            st.sampled_from([0, 1, whole - 1, whole // 2, whole // 2 - 1])
            | st.integers(0, whole - 1)
        )
        changes.append((draw(st.sampled_from(seed.header)), number.to_bytes(width, order)))
    length = len(seed.content)
    if draw(st.integers(0, 9)) == 0:
        length = draw(st.integers(0, length))
    return Mutation(seed, tuple(changes), length)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    worker = Worker(tmp_path_factory.mktemp("mutations"))
    yield worker
    worker.end()


def well_behaved(answer: dict[str, object]) -> None:
    assert answer["failure"] is None
    assert answer["peak_mb"] < MOST_MEGABYTES


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
@pytest.mark.parametrize("reader", [None, "openslide", "pillow"])
def test_sound_files_are_read(worker: Worker, seed: Seed, reader: str | None) -> None:
    well_behaved(worker.read(seed.name, seed.content, reader))


def examine(worker: Worker, cases: int, *, same: bool, **how: Any) -> None:
    """Let it read so many changed files, the same ones every time or new ones."""

    @settings(
        max_examples=cases,
        derandomize=same,
        database=None,
        suppress_health_check=list(HealthCheck),
        **how,
    )
    @given(mutations(), st.sampled_from([None, None, "openslide", "pillow"]))
    def check(mutation: Mutation, reader: str | None) -> None:
        well_behaved(worker.read(mutation.seed.name, mutation.content, reader))

    check()


def test_changed_files_give_nothing_but_our_errors(
    worker: Worker, pytestconfig: pytest.Config
) -> None:
    cases = pytestconfig.getoption("--mutations")
    examine(worker, cases or CASES, same=cases is None)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_planted_faults_are_noticed(tmp_path: Path, fault: str) -> None:
    """Each is noticed by the short form, whose files are the first of the long one's."""
    worker = Worker(tmp_path, fault)
    try:
        with pytest.raises(AssertionError):
            examine(worker, CASES, same=True, phases=[Phase.generate])
    finally:
        worker.end()
