"""Zarr chunks that may not decompress to more than a chunk's size.

The codecs of Zarr decompress whatever a chunk holds: some kilobytes may become gigabytes.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import imagecodecs
import zarr
from zarr.abc.codec import Codec
from zarr.codecs import BloscCodec, GzipCodec, ShardingCodec, ZstdCodec
from zarr.core.array import AsyncArray
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer
from zarr.core.metadata import ArrayV3Metadata
from zarr.types import AnyArray

_SLACK = 64
"""Bytes that a checksum may add."""

_MOST = "it unfolds to more than a chunk's size"
_WINDOWS = {"gzip": 31, "zlib": 15}


def bounded(array: AnyArray) -> AnyArray:
    """Return an array whose chunks are decoded within their size."""
    metadata, inner = array.metadata, array.async_array
    if isinstance(metadata, ArrayV3Metadata):
        changed: Any = replace(metadata, codecs=tuple(_bounded_codecs(metadata.codecs)))
    elif metadata.compressor is None:
        return array
    else:
        most = math.prod(array.chunks) * array.dtype.itemsize + _SLACK
        changed = replace(metadata, compressor=_BoundedCompressor(metadata.compressor, most))
    return zarr.Array(AsyncArray(changed, inner.store_path, inner.config))


def _bounded_codecs(codecs: Iterable[Codec]) -> Iterable[Codec]:
    for codec in codecs:
        if isinstance(codec, ShardingCodec):
            yield ShardingCodec(
                chunk_shape=codec.chunk_shape,
                codecs=tuple(_bounded_codecs(codec.codecs)),
                index_codecs=codec.index_codecs,
                index_location=codec.index_location,
            )
        elif isinstance(codec, GzipCodec):
            yield _BoundedGzip(level=codec.level)
        elif isinstance(codec, ZstdCodec):
            yield _BoundedZstd(level=codec.level, checksum=codec.checksum)
        elif isinstance(codec, BloscCodec):
            yield _BoundedBlosc.from_dict(codec.to_dict())
        else:
            yield codec


class _BoundedGzip(GzipCodec):
    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        plain = unfold("gzip", chunk_bytes.to_bytes(), _most(chunk_spec))
        return chunk_spec.prototype.buffer.from_bytes(plain)


class _BoundedZstd(ZstdCodec):
    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        plain = unfold("zstd", chunk_bytes.to_bytes(), _most(chunk_spec))
        return chunk_spec.prototype.buffer.from_bytes(plain)


class _BoundedBlosc(BloscCodec):
    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        _refuse_blosc(chunk_bytes.to_bytes(), _most(chunk_spec))
        return await super()._decode_single(chunk_bytes, chunk_spec)


class _BoundedCompressor:
    """A compressor of Zarr 2, limited to the chunk's size, which Zarr does not pass to it."""

    codec_id = "bounded"

    def __init__(self, compressor: Any, most: int) -> None:
        self.codec_id = compressor.codec_id
        self._compressor, self._most = compressor, most

    def decode(self, buf: Any, out: Any = None) -> Any:
        content = bytes(memoryview(buf).cast("B"))
        if self.codec_id in ("gzip", "zlib", "zstd"):
            return unfold(self.codec_id, content, self._most)
        if self.codec_id == "blosc":
            _refuse_blosc(content, self._most)
        return self._compressor.decode(content)

    def encode(self, buf: Any) -> Any:
        return self._compressor.encode(buf)

    def get_config(self) -> Any:
        return self._compressor.get_config()

    @classmethod
    def from_config(cls, config: Any) -> Any:
        # zarr asks for the method of every compressor, and calls it of registered ones alone.
        raise TypeError("a bounded compressor is made of another, not of a configuration")


def unfold(kind: str, content: bytes, most: int) -> bytes:
    """Decompress within a limit.

    Parameters
    ----------
    kind : {"gzip", "zlib", "zstd"}
        Compression.
    content : bytes
        Compressed data.
    most : int
        Most bytes of the result.

    Raises
    ------
    ValueError
        If there would be more.
    zlib.error, RuntimeError
        If it is damaged.
    """
    if kind == "zstd":
        try:
            return bytes(imagecodecs.zstd_decode(content, out=bytearray(most)))
        except imagecodecs.ZstdError as error:
            raise ValueError(_MOST if "too small" in str(error) else str(error)) from error
    plain = bytearray()
    while content:
        member = zlib.decompressobj(_WINDOWS[kind])
        plain += member.decompress(content, most - len(plain) + 1)
        if len(plain) > most:
            raise ValueError(_MOST)
        if not member.eof:
            raise ValueError("its compressed stream ends early")
        content = member.unused_data.lstrip(b"\0")
    return bytes(plain)


def _refuse_blosc(content: bytes, most: int) -> None:
    """Refuse a Blosc frame that states too large a size, which is what it allocates."""
    if len(content) < 16 or struct.unpack_from("<I", content, 4)[0] > most:
        raise ValueError(_MOST)


def _most(spec: ArraySpec) -> int:
    return math.prod(spec.shape) * spec.dtype.to_native_dtype().itemsize + _SLACK
