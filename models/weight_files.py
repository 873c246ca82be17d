"""The header of a ``.safetensors`` file, read within bounds and before its tensors."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGEST_HEADER = 8 * 2**20
"""Bytes; the names and shapes of a thousand tensors take a fortieth of it."""

_MOST_TENSORS = 20_000
"""The largest architecture has a tenth of it."""

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""What batch normalisation keeps beside its parameters."""

_TENSOR_KEYS = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True)
class WeightsHeader:
    """The contents of the header.

    Attributes
    ----------
    metadata : dict of str to str
        Free text that goes with the tensors (``__metadata__``).
    shapes : dict of str to tuple of int
        Of every tensor.
    dtypes : dict of str to str
        As the format writes them, ``"F32"`` for instance.
    """

    metadata: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]

    @property
    def parameters(self) -> int:
        """Number of parameters, without the statistics that normalisation keeps beside them."""
        return sum(
            math.prod(shape)
            for name, shape in self.shapes.items()
            if not name.endswith(_STATISTICS)
        )


def read_header(path: Path) -> WeightsHeader:
    """Read the header of a ``.safetensors`` file.

    Whether the tensors lie where the header says is checked when they are read.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it has no such header, or one that is too large.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(LARGEST_HEADER, os.fstat(file.fileno()).st_size - 8):
            msg = f"a header of {length} bytes"
            raise ValueError(msg)
        content = parse_json(file.read(length))
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(
        isinstance(text, str) for text in metadata.values()
    ):
        msg = "its metadata are not text"
        raise ValueError(msg)
    if len(content) > _MOST_TENSORS:
        msg = f"{len(content)} tensors"
        raise ValueError(msg)
    for entry in content.values():
        if not isinstance(entry, dict) or entry.keys() != _TENSOR_KEYS or not _is_shape(entry):
            msg = "an entry is no tensor"
            raise ValueError(msg)
    return WeightsHeader(
        metadata,
        {name: tuple(entry["shape"]) for name, entry in content.items()},
        {name: entry["dtype"] for name, entry in content.items()},
    )


def parse_json(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object in which no key stands twice.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    try:
        content = json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        msg = "it is nested too deeply"
        raise ValueError(msg) from None
    if not isinstance(content, dict):
        msg = "it is no object"
        raise ValueError(msg)
    return content


def shorten(text: str, length: int = 60) -> str:
    """Return a text from a file as a message can quote it: short, and printable.

    Parameters
    ----------
    text : str
        Of unknown origin.
    length : int
        Most characters.

    Examples
    --------
    >>> shorten("encoder.level2.0.conv.weight", 16)
    'encoder.level2.…'
    """
    plain = "".join(letter if letter.isprintable() else "�" for letter in text[: length + 1])
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"


def _is_shape(entry: dict[str, Any]) -> bool:
    shape = entry["shape"]
    return (
        isinstance(entry["dtype"], str)
        and isinstance(shape, list)
        and all(type(side) is int and side >= 0 for side in shape)
    )


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        msg = "a key stands twice"
        raise ValueError(msg)
    return found
