"""Integrity checks: whether the arrays on disk are those that a run has written."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from zarr.types import AnyArray

from wsiseg.errors import AddressError
from wsiseg.store.arrays import BAND_HEIGHT, expected_metadata, open_array, open_group
from wsiseg.store.journal import BandRecord
from wsiseg.store.pyramid import Heartbeat, Place, level_shapes
from wsiseg.tiling.bands import NO_LABEL

Bytes = npt.NDArray[np.uint8]

_STRIP = 64
"""Rows that are counted at a time."""


def count_labels(labels: Bytes, classes: int) -> list[int]:
    """Count the pixels of each class, a few rows at a time to save memory.

    Parameters
    ----------
    labels : ndarray
        uint8 ``(H, W)``.
    classes : int
        Number of classes; higher labels are not counted.

    Returns
    -------
    list of int
        As many as classes.

    Examples
    --------
    >>> count_labels(np.array([[0, 1, 1], [1, 255, 255]], np.uint8), 2)
    [1, 3]
    """
    counts = np.zeros(classes, np.int64)
    for top in range(0, len(labels), _STRIP):
        strip = labels[top : top + _STRIP]
        # Class by class this is several times as fast as bincount, which widens every label.
        counts += [np.count_nonzero(strip == label) for label in range(classes)]
    return [int(pixels) for pixels in counts]


def checksum(planes: Bytes, start: int = 0) -> int:
    """Return the CRC-32 of an array's bytes.

    Parameters
    ----------
    planes : ndarray
        uint8, of any shape.
    start : int
        The checksum of the bytes before, to continue from.
    """
    return zlib.crc32(np.ascontiguousarray(planes).data, start)


def has_expected_layout(path: Path, shape: tuple[int, ...], *, fill_value: int) -> bool:
    """Tell whether there is an array with the layout that :func:`create_array` gives.

    Parameters
    ----------
    path : Path
        The array's folder.
    shape : tuple of int
        ``(H, W)`` or ``(C, H, W)``.
    fill_value : int
        0 to 255.
    """
    try:
        found = open_array(path).metadata.to_dict()
    except AddressError:
        raise
    # Damaged metadata make zarr raise anything; then there is no such array.
    except Exception:
        return False
    return dict(found) == expected_metadata(shape, fill_value=fill_value)


def band_is_intact(
    record: BandRecord, labels: AnyArray, companions: Mapping[str, AnyArray], classes: int
) -> bool:
    """Tell whether a band is on disk as its record in the journal says.

    Records of earlier versions have no checksums: of those the counts are compared, and
    companions only have to be readable.

    Parameters
    ----------
    record : BandRecord
        The record.
    labels : zarr.Array
        uint8 ``(H, W)``.
    companions : mapping of str to zarr.Array
        What is kept beside the labels, by name: uint8 ``(H, W)`` or ``(C, H, W)``.
    classes : int
        Number of classes.
    """
    box = record.box
    rows, columns = slice(box.y, box.bottom), slice(box.x, box.right)
    try:
        found = np.asarray(labels[rows, columns])
        if count_labels(found, classes) != record.counts:
            return False
        if record.labels_crc32 not in (None, checksum(found)):
            return False
        for name, array in companions.items():
            total = 0
            for plane in np.ndindex(*array.shape[:-2]):
                place: Place = (*plane, rows, columns)
                total = checksum(np.asarray(array[place]), total)
            if record.checksum_of(name) not in (None, total):
                return False
    except AddressError:
        raise
    # A damaged shard makes decoders raise anything; what cannot be read does not hold.
    except Exception:
        return False
    return True


def find_damage(
    mask: Path, shape: tuple[int, int], counts: Sequence[int], heartbeat: Heartbeat
) -> str | None:
    """Return what is damaged in a finished mask, or None.

    Parameters
    ----------
    mask : Path
        Folder of the mask's group.
    shape : tuple of int
        ``(height, width)`` of level 0.
    counts : sequence of int
        Expected pixels of each class.
    heartbeat : callable
        Called after every band; may raise to cancel.
    """
    damage = find_damaged_layout(mask, shape, NO_LABEL)
    if damage is not None:
        return damage
    found = np.zeros(len(counts), np.int64)
    for level, (height, _) in enumerate(level_shapes(*shape)):
        array = open_array(mask / str(level))
        for top in range(0, height, BAND_HEIGHT):
            try:
                labels = np.asarray(array[top : top + BAND_HEIGHT])
            except AddressError:
                raise
            # As above: decoders raise anything.
            except Exception as error:
                return f"level {level} cannot be read: {error}"
            if level == 0:
                found += count_labels(labels, len(counts))
            heartbeat()
    return None if found.tolist() == list(counts) else "it has other labels than were written"


def find_damaged_layout(group: Path, shape: tuple[int, ...], fill_value: int) -> str | None:
    """Return what is damaged in the metadata of a finished pyramid, or None.

    Parameters
    ----------
    group : Path
        Folder of the group with ``multiscales``.
    shape : tuple of int
        ``(H, W)`` or ``(C, H, W)`` of level 0.
    fill_value : int
        Fill value of all levels.
    """
    planes, shapes = shape[:-2], level_shapes(*shape[-2:])
    try:
        attributes: Any = open_group(group).attrs.asdict()
        (scales,) = attributes["ome"]["multiscales"]
        paths = [level["path"] for level in scales["datasets"]]
    except AddressError:
        raise
    # Metadata that somebody damaged make zarr raise anything.
    except Exception:
        return f"the metadata of {group.name} cannot be read"
    if paths != [str(level) for level in range(len(shapes))]:
        return f"the metadata of {group.name} name other levels"
    for level, each in enumerate(shapes):
        if not has_expected_layout(group / str(level), (*planes, *each), fill_value=fill_value):
            return f"level {level} of {group.name} is missing or damaged"
    return None
