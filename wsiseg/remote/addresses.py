"""Addresses: how they are carried in paths, what of them may be shown, and which are writable.

A path turns ``https://host`` into ``https:/host``; here that is undone.
"""

from __future__ import annotations

import re
from pathlib import PurePath

# A single letter before the colon is a drive of Windows.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)", re.IGNORECASE | re.DOTALL)
_NOTHING = re.compile(r"(?:s3a?|gc?s|az|abfss?|https?):", re.IGNORECASE)
"""What a path makes of an address that names nothing."""

_URL = re.compile(r"[a-z][a-z0-9+.-]+://[^\s'\"<>]+", re.IGNORECASE)
_PASSWORD = re.compile(r"[^/@]*:(?!\d+(?:/|$)).*@", re.DOTALL)
"""Up to the host; a password may hold a slash, although it should not."""

_ACCOUNT = re.compile(r"[^/@:]+@[^/@]+\.core\.windows\.net")
"""What stands before the host is a container here, and no user."""

OBJECT_STORES = {
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gs"),
    **dict.fromkeys(("az", "abfs", "abfss"), "az"),
}
"""The kind of object store by scheme."""

WEB = ("http", "https")


def is_remote(path: PurePath) -> bool:
    """Tell whether a path stands for an address, not for a file of this machine."""
    text = path.as_posix()
    return bool(_ADDRESS.match(text) or _NOTHING.fullmatch(text))


def restore(text: str) -> str:
    """Return an address that was a path, with both of its slashes.

    Examples
    --------
    >>> restore("s3:/bucket/slide.svs")
    's3://bucket/slide.svs'
    """
    found = _ADDRESS.match(text)
    if _NOTHING.fullmatch(text):
        return f"{text.lower()}//"
    return text if found is None else f"{found[1].lower()}://{found[2]}"


def mask(url: str) -> str:
    """Return an address without its password, its query and its fragment.

    Examples
    --------
    >>> mask("https://me:secret@host/a.safetensors?token=1")
    'https://host/a.safetensors?…'
    """
    before, query, _ = url.partition("?")
    scheme, _, rest = before.partition("://")
    if scheme in OBJECT_STORES and not query and not _PASSWORD.match(rest):
        # A key may hold anything.
        return url
    host, slash, path = _PASSWORD.sub("", rest.partition("#")[0]).partition("/")
    shown = host if _ACCOUNT.fullmatch(host) else host.rpartition("@")[2]
    return f"{scheme}://{shown}{slash}{path}" + ("?…" if query else "")


def mask_all(text: str) -> str:
    """Return a text in which no address shows its password or its query."""
    return _URL.sub(lambda found: mask(found[0]), text)


def url_or_path(path: PurePath) -> str:
    """Return the address that a path stands for, as it may be shown, or a local path as text.

    Examples
    --------
    >>> from pathlib import Path
    >>> url_or_path(Path("https://me:secret@host/slide.ome.zarr"))
    'https://host/slide.ome.zarr'
    """
    return mask(restore(path.as_posix())) if is_remote(path) else str(path)
