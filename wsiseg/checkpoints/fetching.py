"""Checkpoints from ``https://`` and ``s3://``, through fsspec and obstore, into the cache.

fsspec's own ``filecache`` takes files behind https for unchanging, writes in place, and lets two
processes write at once; so what the server says of a file is compared here.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.callbacks import Callback

from wsiseg.checkpoints.addresses import Address
from wsiseg.checkpoints.cache import CacheEntry, Kept
from wsiseg.checkpoints.refusals import UnreachableError, refuse_status
from wsiseg.checkpoints.verifying import Began, refuse_size, verify
from wsiseg.error_translation import reason
from wsiseg.errors import (
    AddressError,
    CheckpointError,
    OutputError,
    RuntimeUnavailableError,
    WsisegError,
)
from wsiseg.remote.objects import WritableObject, web_settings
from wsiseg.remote.refusals import UnreachedError

_VALIDATORS = ("ETag", "Last-Modified", "LastModified", "Content-MD5", "Digest")
"""What tells that a file has changed, as https and S3 call it."""


def fetch(address: Address, began: Began) -> tuple[Path, tuple[str, ...]]:
    """Return a checkpoint's file, fetched if the server has another than the cache.

    Parameters
    ----------
    address : Address
        Of https, http or S3.
    began : callable
        Told when a download begins.

    Returns
    -------
    Path, tuple of str
        The file, and what was assumed.

    Raises
    ------
    CheckpointError
        If there is none, access is refused, the hash is another, or it is no checkpoint.
    OutputError
        If it cannot be written to the cache.
    ImportError
        If what reads the address is not installed.
    """
    entry = CacheEntry(address)
    with entry.held():
        kept = entry.read()
        if kept is not None and kept.sha256 == address.sha256:
            return kept.path, ()
        try:
            return _update(entry, kept, address, began), ()
        except UnreachableError as error:
            if kept is None or address.sha256 is not None:
                raise error.translated(address) from None
            return kept.path, (error.noted(address, f"of {kept.fetched}"),)


def _update(entry: CacheEntry, kept: Kept | None, address: Address, began: Began) -> Path:
    """Return the file as the server has it now."""
    files = _open(address)
    with _translating(address):
        told = files.info(address.url)
    state = {key: str(told[key]) for key in (*_VALIDATORS, "size") if told.get(key) is not None}
    if kept is not None and kept.state == state and not state.keys().isdisjoint(_VALIDATORS):
        verify(kept.path, kept.sha256, address)
        return kept.path
    refuse_size(told.get("size") or 0, address)
    began(f"fetching {address}")

    def download(target: Path) -> None:
        with _translating(address):
            files.get_file(address.url, str(target), callback=_SizeLimit(address))

    return entry.replace(download, state)


class _SizeLimit(Callback):  # type: ignore[misc]  # fsspec has no types
    """Stops a download that is larger than the server has said."""

    def __init__(self, address: Address) -> None:
        super().__init__()
        self._address = address

    def relative_update(self, inc: int = 1) -> None:
        super().relative_update(inc)
        refuse_size(self.value, self._address)


def _open(address: Address) -> Any:
    """Return fsspec's file system for an address, or what does as it does for S3."""
    if address.scheme == "s3":
        return _Bucket()
    return fsspec.filesystem(address.scheme, skip_instance_cache=True, **web_settings())


class _Bucket:
    """Objects of S3, asked for as fsspec is."""

    def info(self, url: str) -> Mapping[str, object]:
        found = WritableObject(url).facts()
        return {"size": found.size, "ETag": found.tag}

    def get_file(self, url: str, target: str, callback: Callback) -> None:
        with Path(target).open("wb") as file:
            for piece in WritableObject(url).stream():
                file.write(piece)
                callback.relative_update(len(piece))


@contextmanager
def _translating(address: Address) -> Iterator[None]:
    """Turn what fsspec raises into errors of ours; its own texts may hold secrets."""
    try:
        yield
    except RuntimeUnavailableError as error:
        # As the import that failed, which whoever asked for the checkpoint tells.
        raise error.__cause__ or error from None
    except UnreachedError as error:
        raise UnreachableError(error.what) from None
    except AddressError as error:
        raise CheckpointError(error.what, address, error.hint) from None
    except (WsisegError, ImportError):
        raise
    except Exception as error:
        raise _translate(error, address) from None


def _translate(error: Exception, address: Address) -> Exception:
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    status = getattr(cause, "status", None)
    if isinstance(status, int) and status >= 400:
        return refuse_status(status, address)
    if isinstance(error, FileNotFoundError) and (cause is error or address.scheme == "s3"):
        return refuse_status(404, address)
    if type(cause).__name__ == "TooManyRedirects":
        return CheckpointError("the address redirects in circles", address, "Check it.")
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"the download cannot be kept: {reason(cause)}", address, "Make room.")
    return UnreachableError(address.scrub(reason(cause)))
