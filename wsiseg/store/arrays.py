"""Layout of the Zarr arrays: chunks, shards, bands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import zarr
from zarr.storage import MemoryStore, StoreLike
from zarr.types import AnyArray

from wsiseg.remote.zarr_places import zarr_place

CHUNK = 512
"""Edge of a chunk, the unit of reading."""

BAND_HEIGHT = 1024
SHARD_WIDTH = 4096
"""Height and width of a shard, the unit of writing; each is written once, by one writer."""

UNFINISHED_BY_ZARR = ".*.partial"
"""What Zarr appends to the name of a file until it is complete, as a pattern."""

BANDS_AHEAD = 2
"""Bands that may wait for the disk while the network continues."""


def create_array(path: Path, shape: tuple[int, ...], *, fill_value: int) -> AnyArray:
    """Create a sharded uint8 array; an existing one is replaced.

    Parameters
    ----------
    path : Path
        The array's folder.
    shape : tuple of int
        ``(H, W)`` or ``(C, H, W)``.
    fill_value : int
        0 to 255: what pixels read as that are never written.

    Returns
    -------
    zarr.Array
        uint8, open for writing.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     array = create_array(Path(folder, "0"), (3000, 5000), fill_value=255)
    ...     array.shape, array.chunks, array.shards, int(array[0, 0])
    ((3000, 5000), (512, 512), (1024, 4096), 255)
    """
    return _create(zarr_place(path), shape, fill_value, overwrite=True)


def expected_metadata(shape: tuple[int, ...], *, fill_value: int) -> dict[str, Any]:
    """Return the metadata of an array that :func:`create_array` makes.

    Parameters
    ----------
    shape : tuple of int
        ``(H, W)`` or ``(C, H, W)``.
    fill_value : int
        0 to 255.
    """
    return dict(_create(MemoryStore(), shape, fill_value).metadata.to_dict())


def _create(
    store: StoreLike, shape: tuple[int, ...], fill_value: int, *, overwrite: bool = False
) -> AnyArray:
    planes, (height, width) = shape[:-2], shape[-2:]
    shard = min(BAND_HEIGHT, _whole_chunks(height)), min(SHARD_WIDTH, _whole_chunks(width))
    ones = (1,) * len(planes)
    return zarr.create_array(
        store=store,
        shape=shape,
        dtype="uint8",
        chunks=(*ones, CHUNK, CHUNK),
        shards=(*ones, *shard),
        fill_value=fill_value,
        overwrite=overwrite,
        dimension_names=("c", "y", "x")[-len(shape) :],
    )


def open_array(path: Path, mode: Literal["r", "r+"] = "r") -> AnyArray:
    """Open an array of a store, in a folder or behind an address.

    Parameters
    ----------
    path : Path
        The array's folder.
    mode : {"r", "r+"}
        Whether it is written to.
    """
    return zarr.open_array(zarr_place(path), mode=mode)


def open_group(path: Path) -> zarr.Group:
    """Open a group of arrays for reading, in a folder or behind an address.

    Parameters
    ----------
    path : Path
        The group's folder.
    """
    return zarr.open_group(zarr_place(path), mode="r")


def write_group(path: Path, attributes: Mapping[str, object]) -> None:
    """Write the metadata that make a folder of arrays a Zarr group; the arrays stay as they are.

    Parameters
    ----------
    path : Path
        The folder.
    attributes : mapping
        The group's attributes, ``ome`` for instance.
    """
    # A run that was stopped right here may have left the file, or a part of it.
    for left in ((path / "zarr.json"), *path.glob(f"zarr{UNFINISHED_BY_ZARR}")):
        left.unlink(missing_ok=True)
    zarr.create_group(store=zarr_place(path), attributes=dict(attributes))


def _whole_chunks(length: int) -> int:
    return -(-length // CHUNK) * CHUNK
