"""Where Zarr finds the arrays of a path: a folder, a bucket, or what fsspec knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wsiseg.remote.addresses import WEB
from wsiseg.remote.objects import ReadableObject, web_settings
from wsiseg.remote.refusals import translate_refusals
from wsiseg.remote.remote_path import RemotePath, as_place

if TYPE_CHECKING:
    from zarr.storage import StoreLike


def zarr_place(path: Path) -> StoreLike:
    """Return what Zarr takes for a path.

    Parameters
    ----------
    path : Path
        A folder of this machine, or what stands for an address.

    Raises
    ------
    AddressError
        If the address is invalid.
    RuntimeUnavailableError
        If what reads the address is not installed.
    """
    place = as_place(path)
    if not isinstance(place, RemotePath):
        return place
    from wsiseg.remote.zarr_stores import BucketStore, WebStore

    found = place.object
    if isinstance(found, ReadableObject):
        settings = web_settings() if found.kind in WEB else {}
        with translate_refusals(found.url, found.kind):
            return WebStore.from_url(found.url, storage_options=settings, read_only=True)
    root = "/".join(found.url.split("/")[:3])
    return BucketStore(found.store, found.key, root, found.kind)
