"""Refusing archives of weights that decompress to far more than their size (ZIP bombs)."""

from __future__ import annotations

import zipfile
from pathlib import Path

from wsiseg.errors import CheckpointError

MOST_UNPACKED = 4 * 2**30
"""Bytes; the largest architecture's weights take an eighth of it, an optimiser's state included."""

_MOST_MEMBERS = 50_000
_MOST_TIMES = 4
"""PyTorch stores its tensors as they are, and compressed ones are hardly smaller."""


def refuse_bomb(path: Path) -> None:
    """Refuse a file of weights that would take far more memory than it has bytes.

    PyTorch's files are ZIP archives, whose directory states what each member unpacks to; nothing
    more than that is unpacked.  Older ones are no archives, and no larger than they are.

    Raises
    ------
    CheckpointError
        If it is too large.
    """
    size = path.stat().st_size
    unpacked, members = size, 0
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                listed = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
            raise CheckpointError(
                "the file is a damaged archive", path, "Download it again."
            ) from error
        members = len(listed)
        unpacked = sum(member.file_size for member in listed)
    if unpacked > MOST_UNPACKED or unpacked > _MOST_TIMES * size or members > _MOST_MEMBERS:
        raise CheckpointError(
            f"the file has {size / 1e6:,.1f} MB and unpacks to {unpacked / 1e6:,.0f} MB "
            f"in {members:,} parts, which no weights do",
            path,
            "Only published weights are taken.",
        )
