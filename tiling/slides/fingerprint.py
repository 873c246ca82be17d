"""Digests that tell a file from another one of the same name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from wsiseg.errors import DamagedSlideError
from wsiseg.remote.remote_path import RemotePath

BETWEEN = "sha256_between"
"""The digest of what lies between a file's ends."""

_SAMPLE = 2**20
_REMOTE_SAMPLE = 2**16
_SAMPLES = 65
"""Of a large file, evenly spread: its ends, its very middle, and what lies between."""


def fingerprint(path: Path, companions: Sequence[Path] = ()) -> dict[str, object]:
    """Return size and digests of a file, of samples spread over it, as slides are large.

    A file of up to 65 MiB is read whole.

    Parameters
    ----------
    path : Path
        The file.
    companions : sequence of Path
        Other files of the same slide; the more there are, the less is read of each.

    Returns
    -------
    dict
        ``bytes``, ``sha256_of_ends`` and ``sha256_between``.

    Raises
    ------
    DamagedSlideError
        If it cannot be read any more.
    """
    # An odd number has one in the very middle.
    samples = max(3, _SAMPLES // (1 + len(companions))) | 1
    ends, between = hashlib.sha256(), hashlib.sha256()
    try:
        size = path.stat().st_size
        for sample in _read(path, (0, max(0, size - _SAMPLE))):
            ends.update(sample)
        for sample in _read(path, _places(size, samples)):
            between.update(sample)
        for companion in companions:
            length = companion.stat().st_size
            between.update(f"{companion.name} {length}".encode(errors="surrogateescape"))
            for sample in _read(companion, _places(length, samples)):
                between.update(sample)
    except OSError as error:
        raise DamagedSlideError(f"the file cannot be read: {error.strerror}", path) from error
    return {
        "bytes": size,
        "sha256_of_ends": ends.hexdigest(),
        BETWEEN: between.hexdigest(),
    }


def remote_fingerprint(path: RemotePath) -> dict[str, object]:
    """Return what tells a file behind an address from another one that is put there.

    That is its size and its ETag, as samples all over it would have to be fetched; where the server
    gives no tag, digests of its ends.

    Parameters
    ----------
    path : RemotePath
        The file.

    Raises
    ------
    AddressError
        If it is not reached.
    DamagedSlideError
        If it is not there any more.
    """
    try:
        found = path.object.facts()
        if found.tag is not None:
            return {"bytes": found.size, "tag": found.tag}
        first = min(found.size, _REMOTE_SAMPLE)
        ends = path.object.read([(0, first), (found.size - first, first)])
    except FileNotFoundError as error:
        raise DamagedSlideError("the file is not there any more", path) from error
    return {"bytes": found.size, "sha256_of_ends": hashlib.sha256(b"".join(ends)).hexdigest()}


def _places(size: int, samples: int) -> Iterable[int]:
    """Return where samples begin."""
    if size <= samples * _SAMPLE:
        return range(0, size, _SAMPLE)
    return ((size - _SAMPLE) * number // (samples - 1) for number in range(samples))


def _read(path: Path, places: Iterable[int]) -> Iterator[bytes]:
    with path.open("rb") as file:
        for place in places:
            file.seek(place)
            yield file.read(_SAMPLE)
