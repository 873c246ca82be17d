"""A small CZI as Zeiss writes it: segments, a directory of subblocks, metadata in XML."""

import struct
from pathlib import Path

from vendor_slides import EDGE, patches
from wsiseg.tiling.slides.pixels import Pixels

_BGR, _UNCOMPRESSED = 3, 0
_SEGMENT, _FILE_HEADER, _SUBBLOCK_HEADER = 32, 512, 256
_XML = (
    f"<ImageDocument><Metadata><Information><Image><SizeX>{EDGE}</SizeX><SizeY>{EDGE}</SizeY></Image>"
    '</Information><Scaling><Items><Distance Id="X"><Value>2.5E-07</Value></Distance>'
    '<Distance Id="Y"><Value>2.5E-07</Value></Distance></Items></Scaling></Metadata>'
    "</ImageDocument>"
)


def zeiss(folder: Path) -> Path:
    """Write two levels of subblocks, the finer one in a mosaic of four."""
    half = EDGE // 2
    places = [(y, x) for y in (0, half) for x in (0, half)]
    blocks = [(y, x, 1, patches()[y : y + half, x : x + half]) for y, x in places]
    blocks.append((0, 0, 2, patches()[::2, ::2]))
    file, entries = bytearray(_SEGMENT + _FILE_HEADER), []
    for number, (y, x, downsample, pixels) in enumerate(blocks):
        entry = _entry(len(file), (y, x), downsample, pixels.shape[:2], number)
        entries.append(entry)
        file += _subblock(entry, pixels)
    directory = len(file)
    listed = b"".join(entries)
    file += _segment(b"ZISRAWDIRECTORY", struct.pack("<i124x", len(entries)) + listed)
    metadata = len(file)
    text = _XML.encode()
    file += _segment(b"ZISRAWMETADATA", struct.pack("<ii248x", len(text), 0) + text)
    attachments = len(file)
    file += _segment(b"ZISRAWATTDIR", struct.pack("<i252x", 0))
    head = struct.pack("<4i32xiqqiq", 1, 0, 0, 0, 0, directory, metadata, 0, attachments)
    file[: _SEGMENT + _FILE_HEADER] = _segment(b"ZISRAWFILE", head.ljust(_FILE_HEADER, b"\0"))
    (folder / "slide.czi").write_bytes(file)
    return folder / "slide.czi"


def _segment(name: bytes, data: bytes) -> bytes:
    return struct.pack("<16sqq", name, len(data), len(data)) + data


def _entry(
    position: int, corner: tuple[int, int], downsample: int, shape: tuple[int, int], number: int
) -> bytes:
    """Return what the directory and the subblock itself say of a subblock."""
    sizes = {b"X": (corner[1], shape[1]), b"Y": (corner[0], shape[0])}
    axes = [
        struct.pack("<4siifi", name, start, length * downsample, float(start), length)
        for name, (start, length) in sizes.items()
    ]
    axes += [
        struct.pack("<4siifi", name, start, 1, 0.0, 1)
        for name, start in ((b"C", 0), (b"M", number))
    ]
    head = struct.pack("<2siqiib5xi", b"DV", _BGR, position, 0, _UNCOMPRESSED, 0, len(axes))
    return head + b"".join(axes)


def _subblock(entry: bytes, pixels: Pixels) -> bytes:
    data = pixels[..., ::-1].tobytes()
    head = struct.pack("<iiq", 0, 0, len(data)) + entry
    return _segment(b"ZISRAWSUBBLOCK", head.ljust(_SUBBLOCK_HEADER, b"\0") + data)
