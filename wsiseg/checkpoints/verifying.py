"""What is fetched has to be: of the right hash, a whole checkpoint, and not too large."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from wsiseg.checkpoints.addresses import Address
from wsiseg.errors import CheckpointError
from wsiseg.models.card import check_whole

LARGEST_FILE = 2 * 2**30
"""Bytes: the largest network that is built here has 200 million weights, of 8 bytes at most."""

Began = Callable[[str], None]
"""Receives the name of a stage that may take a while."""


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(path: Path, found: str, address: Address) -> None:
    """Raise unless a file has the digest that its address names, and is a whole checkpoint.

    Parameters
    ----------
    path : Path
        The file.
    found : str
        Its digest.
    address : Address
        Where it comes from.

    Raises
    ------
    CheckpointError
        Names the address.
    """
    if address.sha256 not in (None, found):
        raise CheckpointError(
            f"the file has the sha256 {found}, not {address.sha256}",
            address,
            "It is a different file, or damaged; it is not used.",
        )
    try:
        check_whole(path)
    except CheckpointError as error:
        with path.open("rb") as file:
            begins = file.read(64).lstrip().lower()
        if begins.startswith((b"<!doctype", b"<html", b"<?xml")):
            raise CheckpointError(
                "the address leads to a web page, not to a checkpoint",
                address,
                "Name the file itself.",
            ) from None
        raise CheckpointError(error.what, address, error.hint) from None


def refuse_size(size: int, address: Address) -> None:
    """Raise if a file is larger than any checkpoint.

    Parameters
    ----------
    size : int
        Of the file, in bytes.
    address : Address
        Where it is.

    Raises
    ------
    CheckpointError
        If it is.
    """
    if size > LARGEST_FILE:
        raise CheckpointError(
            f"the file is larger than any checkpoint, of which the largest has {LARGEST_FILE:,} "
            "bytes",
            address,
            "Check the address.",
        )
