"""The file tiles of one TIFF directory: where they lie, and from their bytes to RGB."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from wsiseg.tiling.slides.pixels import WHITE, Pixels, blank, on_background, to_8_bits
from wsiseg.tiling.slides.tiff_pyramid import segment_shape
from wsiseg.tiling.slides.tiff_samples import Sampling
from wsiseg.tiling.slides.tiled import FileTiling

_JPEG_END = b"\xff\xd9"
_JPEG2000_START = b"\xff\x4f\xff\x51"
_JPEG_REDUCTIONS = (2, 4, 8)
_JPEG_FRAMES = {0xC0, 0xC1, 0xC2}


class TiffTiles:
    """File tiles of a level.

    Parameters
    ----------
    page : tifffile.TiffPage
        Its directory; in tiles or strips.
    sampling : Sampling
        What the samples are.

    Attributes
    ----------
    shape : tuple of int
        ``(height, width)`` of a file tile.
    tiling : FileTiling
        Where they lie.
    reductions : tuple of int
        By how much less than whole a tile can be decoded, besides 1.
    """

    def __init__(self, page: tifffile.TiffPage, sampling: Sampling) -> None:
        self.shape = segment_shape(page)
        self._page = page
        self.tiling = FileTiling(self.shape, -(-int(page.imagewidth) // self.shape[1]))
        self._each = self.tiling.columns * -(-int(page.imagelength) // self.shape[0])
        """Tiles of one plane, where every sample has its own."""
        self._apart = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
        self._offsets = page.dataoffsets
        self._counts = page.databytecounts
        self._tables = page.jpegtables
        self._compression = page.compression
        # Aperio stores RGB in JPEG without saying so there.
        self._stored_as_rgb = page.photometric == tifffile.PHOTOMETRIC.RGB and not page.is_jfif
        self._samples = page.samplesperpixel
        self._sampling = sampling
        is_colour_jpeg = page.compression == tifffile.COMPRESSION.JPEG and self._samples == 3
        self.reductions = tuple(
            by
            for by in _JPEG_REDUCTIONS
            if is_colour_jpeg and not any(edge % by for edge in self.shape)
        )

    def spans(self, index: int) -> list[tuple[int, int]]:
        """Return where the tile's bytes begin and how many there are, for each plane it takes."""
        return [(self._offsets[part], self._counts[part]) for part in self._parts(index)]

    def _parts(self, index: int) -> list[int]:
        planes = self._sampling.wanted if self._apart else (0,)
        return [plane * self._each + index for plane in planes]

    def decode(self, parts: list[bytes], index: int, reduction: int = 1) -> Pixels:
        """Decode one tile.

        Parameters
        ----------
        parts : list of bytes
            Of the tile, as `spans` tells; white if one of them is empty.
        index : int
            Which one.
        reduction : int
            1 or one of `reductions`.

        Returns
        -------
        ndarray
            uint8, RGB, `shape` divided by the reduction.

        Raises
        ------
        Exception
            Whatever the codec makes of damaged bytes; imagecodecs has an error class for each.
        """
        shape = self.shape[0] // reduction, self.shape[1] // reduction
        if not all(parts):
            return blank(shape, WHITE)
        if self._apart:
            return self._decode_planes(parts, index)
        (data,) = parts
        if self._compression == tifffile.COMPRESSION.JPEG:
            return self._decode_jpeg(data, reduction)
        if self._compression == tifffile.COMPRESSION.WEBP:
            tile: Pixels | None = np.empty((*self.shape, self._samples), np.uint8)
            imagecodecs.webp_decode(data, hasalpha=self._samples == 4, out=tile)
        else:
            _refuse_large_jpeg2000(data, self.shape)
            decoded = self._page.decode(data, index)[0]
            tile = None if decoded is None else decoded[0]
        if tile is None:
            return blank(shape, WHITE)
        return _padded(
            on_background(to_8_bits(self._sampling.drop_unspecified(tile)), WHITE), shape
        )

    def _decode_planes(self, parts: list[bytes], index: int) -> Pixels:
        planes = []
        for data, part in zip(parts, self._parts(index), strict=True):
            decoded = self._page.decode(data, part)[0]
            if decoded is None:
                return blank(self.shape, WHITE)
            planes.append(decoded[0])
        tile = np.concatenate(planes, axis=-1)
        return _padded(on_background(to_8_bits(tile), WHITE), self.shape)

    def _decode_jpeg(self, data: bytes, reduction: int) -> Pixels:
        if not data.rstrip(b"\0").endswith(_JPEG_END):
            # The decoder would fill the rest with grey and say nothing.
            msg = "its JPEG stream ends early"
            raise ValueError(msg)
        size = _jpeg_size(data)
        if reduction > 1 and size == self.shape:
            return self._reduce_jpeg(data, reduction)
        if size[0] > self.shape[0] or size[1] > self.shape[1]:
            msg = f"its JPEG stream has {size[1]}×{size[0]} pixels"
            raise ValueError(msg)
        tile = np.empty((*size, self._samples) if self._samples > 1 else size, np.uint8)
        imagecodecs.jpeg8_decode(
            data,
            tables=self._tables,
            colorspace="RGB" if self._stored_as_rgb else None,
            outcolorspace="RGB" if self._samples == 3 else None,
            out=tile,
        )
        whole = _padded(on_background(self._sampling.drop_unspecified(tile), WHITE), self.shape)
        return whole if reduction == 1 else np.asarray(Image.fromarray(whole).reduce(reduction))

    def _reduce_jpeg(self, data: bytes, reduction: int) -> Pixels:
        """Decode the low frequencies alone, which gives each pixel the mean of a square."""
        stream = data if self._tables is None else self._tables[:-2] + data[2:]
        size = self.shape[1] // reduction, self.shape[0] // reduction
        stored = "RGB" if self._stored_as_rgb else ""
        arguments = ("RGB", stored, reduction, 0)
        return np.asarray(Image.frombytes("RGB", size, stream, "jpeg", arguments))


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Return ``(height, width)`` as the stream's frame header states it."""
    place = 2
    while place + 9 <= len(data):
        mark, kind, length = struct.unpack_from(">BBH", data, place)
        if mark != 0xFF:
            break
        if kind == 0xFF:
            place += 1
        elif kind in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return height, width
        else:
            place += 2 + length
    msg = "its JPEG stream has no frame"
    raise ValueError(msg)


def _refuse_large_jpeg2000(data: bytes, shape: tuple[int, int]) -> None:
    """Refuse a codestream that states a larger size than a tile's; it is decoded as it states."""
    if not data.startswith(_JPEG2000_START):
        return
    right, bottom, left, top = struct.unpack_from(">4I", data, 8)
    if bottom - top > shape[0] or right - left > shape[1]:
        msg = f"its JPEG 2000 stream has {right - left}×{bottom - top} pixels"
        raise ValueError(msg)


def _padded(pixels: Pixels, shape: tuple[int, int]) -> Pixels:
    """Put white to the right of and below what is smaller than a tile."""
    if pixels.shape[:2] == shape:
        return pixels
    whole = blank(shape, WHITE)
    whole[: pixels.shape[0], : pixels.shape[1]] = pixels[: shape[0], : shape[1]]
    return whole
