"""What tells a file from another one of the same name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from wsiseg.errors import DamagedSlideError

_SAMPLE = 2**20


def fingerprint(path: Path) -> dict[str, object]:
    """Return size and digest of a file: of its first and last MiB, as slides are large.

    Raises
    ------
    DamagedSlideError
        If it can be read no more.
    """
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            digest.update(file.read(_SAMPLE))
            file.seek(max(0, size - _SAMPLE))
            digest.update(file.read(_SAMPLE))
    except OSError as error:
        raise DamagedSlideError(f"the file cannot be read: {error.strerror}", path) from error
    return {"bytes": size, "sha256_of_ends": digest.hexdigest()}
