"""Slides and broken files that tests make of the bundled one, named as those beside them are."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from wsiseg.demo.sections import TISSUE
from wsiseg.store.pyramid import halve_by_mean

APERIO = (
    "Aperio Image Library v11.2.1 \r\n2220x2967 [0,0 2220x2967] (256x256) JPEG/RGB Q=85"
    "|AppMag = 20|MPP = 0.499|ScanScope ID = SYNTH|Filename = cmu1"
)
PIXELS = {"tile": (256, 256), "photometric": "rgb"}
JPEG = {
    **PIXELS,
    "compression": "jpeg",
    "compressionargs": {"level": 85, "outcolorspace": "ycbcr"},
}


def halved(pixels: np.ndarray) -> np.ndarray:
    even = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2]
    return np.ascontiguousarray(halve_by_mean(even.transpose(2, 0, 1)).transpose(1, 2, 0))


def levels() -> list[np.ndarray]:
    """Return the pixels of the bundled slide, whole, halved and quartered."""
    whole = tifffile.imread(TISSUE, key=0)
    return [whole, half := halved(whole), halved(half)]


def aperio_pyramid(path: Path) -> None:
    whole, half, quarter = levels()
    thumbnail = np.asarray(Image.fromarray(whole).reduce(8))
    with tifffile.TiffWriter(path) as file:
        options = {"description": APERIO, "metadata": None}
        file.write(whole, **JPEG, **options)
        file.write(thumbnail, **{**JPEG, "tile": None, "rowsperstrip": 16}, **options)
        file.write(half, **JPEG, **options)
        file.write(quarter, **JPEG, **options)


def generic_pyramid(path: Path) -> None:
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for k, level in enumerate(levels()):
            scale = {"resolution": (1e4 / 0.499 / 2**k,) * 2, "resolutionunit": "CENTIMETER"}
            file.write(level, **JPEG, **scale, subfiletype=int(k > 0), metadata=None)


def lossless_pyramid(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        for k, level in enumerate(levels()[1:]):
            file.write(level, **PIXELS, compression="zlib", subfiletype=k, metadata=None)


def ome_pyramid(path: Path) -> None:
    whole, *others = levels()
    size = {f"PhysicalSize{axis}": 0.499 for axis in "XY"}
    units = {f"PhysicalSize{axis}Unit": "µm" for axis in "XY"}
    with tifffile.TiffWriter(path, bigtiff=True, ome=True) as file:
        file.write(whole, **JPEG, subifds=2, metadata={"axes": "YXS", **size, **units})
        for level in others:
            file.write(level, **JPEG, subfiletype=1)


def truncated_jpeg(path: Path) -> None:
    stream = BytesIO()
    Image.fromarray(tifffile.imread(TISSUE, key=0)[900:1342, 700:990]).save(stream, "JPEG")
    path.write_bytes(stream.getvalue()[:10_000])


def unopenable(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((1, 1, 3), np.uint8), tile=(512, 512), photometric="rgb")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["Compression"].overwrite(52479)


def unreadable(path: Path) -> None:
    """Write a slide whose tiles have a marker of length 0 behind the frame's."""
    stream = BytesIO()
    Image.new("RGB", (64, 64), "pink").save(stream, "JPEG")
    tile = bytearray(stream.getvalue())
    at = tile.index(b"\xff\xc4") + 2
    tile[at : at + 2] = b"\0\0"
    options = {
        "shape": (16, 16, 3),
        "dtype": np.uint8,
        "photometric": "rgb",
        "compression": "jpeg",
        "metadata": None,
        "description": APERIO.replace("2220x2967", "16x16"),
    }
    with tifffile.TiffWriter(path) as file:
        file.write(iter([bytes(tile)]), **options, tile=(64, 64))
        file.write(iter([bytes(tile)]), **options, rowsperstrip=16)


def beginning(length: int) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(TISSUE.read_bytes()[:length])


def text(path: Path) -> None:
    path.write_text("this is no slide")


def random_bytes(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(1001))


MADE: dict[str, Callable[[Path], object]] = {
    "derived/cmu1_aperio_pyramid.svs": aperio_pyramid,
    "derived/cmu1_generic_pyramid.tiff": generic_pyramid,
    "derived/cmu1_generic_deflate_nompp.tiff": lossless_pyramid,
    "derived/cmu1_ome_pyramid.ome.tiff": ome_pyramid,
    "broken/broken.svs": random_bytes,
    "broken/cmu1_truncated_50pct.svs": beginning(969_477),
    "broken/cmu1_truncated_header.svs": beginning(200),
    "broken/empty.svs": beginning(0),
    "broken/notanimage.txt": text,
    "broken/text_named.svs": text,
    "broken/truncated.jpg": truncated_jpeg,
    "broken/unopenable.tiff": unopenable,
    "broken/unreadable.svs": unreadable,
}


def find_or_make(name: str, folder: Path) -> Path | None:
    """Return the bundled slide or a file that is made once; None for those that are others'."""
    if name == f"libvips/{TISSUE.name}":
        return TISSUE
    if name not in MADE:
        return None
    path = folder / name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        MADE[name](path)
    return path
