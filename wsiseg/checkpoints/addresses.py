"""Addresses of checkpoints: which server, which hash, and what of it may be printed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from wsiseg.errors import ArgumentError, CheckpointError
from wsiseg.models.weight_files import shorten
from wsiseg.remote.addresses import mask, mask_all

SCHEMES = ("https", "http", "s3", "hf")

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_FRAGMENT = re.compile(r"#((?:sha|md|blake)\w*)=(.*)$", re.IGNORECASE | re.DOTALL)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUFFIX = ".safetensors"
_LONGEST = 300
"""Letters of an address that are shown."""

_HUB = re.compile(
    r"hf://(?P<owner>[^/@]+)/(?P<name>[^/@]+)(?:/(?P<file>[^@]+))?(?:@(?P<revision>.+))?"
)


@dataclass(frozen=True)
class Address:
    """An address, which prints without passwords and queries.

    Attributes
    ----------
    scheme : str
        One of :data:`SCHEMES`.
    url : str
        All of it, without the hash.
    sha256 : str or None
        The digest that the file has to have, in lower case.
    """

    scheme: str
    url: str = field(repr=False)
    sha256: str | None = None

    def __str__(self) -> str:
        return shorten(mask(self.url), _LONGEST)

    def scrub(self, text: str) -> str:
        """Return a library's text without what is secret in this address or any other."""
        return mask_all(text.replace(self.url, str(self)))

    @property
    def file_name(self) -> str:
        """The last part of its path, as a file may be called."""
        last = urlsplit(self.url).path.rstrip("/").rpartition("/")[2].removesuffix(_SUFFIX)
        return (re.sub(r"[^\w.+-]", "_", last)[-80:].lstrip(".") or "checkpoint") + _SUFFIX


@dataclass(frozen=True)
class HubPlace:
    """A place on a Hugging Face hub.

    Attributes
    ----------
    repository : str
        ``OWNER/NAME``.
    file : str or None
        Its path in the repository; None for the only checkpoint.
    revision : str or None
        A branch, tag or commit; None for the main branch.
    """

    repository: str
    file: str | None
    revision: str | None


def is_address(text: str) -> bool:
    """Tell whether a text is an address, of whatever kind, and not a file.

    Examples
    --------
    >>> is_address("https://host/a.safetensors"), is_address("c:/a.safetensors")
    (True, False)
    """
    return _SCHEME.match(text) is not None


def parse_address(text: str) -> Address:
    """Split an address and the hash at its end.

    Raises
    ------
    CheckpointError
        If nothing here fetches from such an address.
    ArgumentError
        If the hash is none.

    Examples
    --------
    >>> address = parse_address("https://me:secret@host/a.safetensors?token=1#sha256=" + 64 * "A")
    >>> print(address)
    https://host/a.safetensors?…
    >>> address.sha256 == 64 * "a"
    True
    """
    matched = _SCHEME.match(text)
    scheme = matched[1].lower() if matched else ""
    rest = text[matched.end() :] if matched else text
    if scheme not in SCHEMES:
        raise CheckpointError(
            f"checkpoints are not fetched from {shorten(scheme)}:// addresses",
            mask(text),
            "Name a file, or an address of https://, s3:// or hf://.",
        )
    url = f"{scheme}://{rest}"
    sha256 = None
    if fragment := _FRAGMENT.search(url):
        url = url[: fragment.start()]
        sha256 = _check_hash(fragment[1], fragment[2], url)
    if scheme in ("http", "https"):
        # Any other fragment is for browsers.
        url = url.partition("#")[0]
    if scheme != "hf" and not _names_file(url):
        raise CheckpointError(
            "the address names no file", mask(url), "It begins with a host and goes on with a path."
        )
    return Address(scheme, url, sha256)


def parse_hub(address: Address) -> HubPlace:
    """Split ``hf://OWNER/NAME[/FILE][@REVISION]``.

    Raises
    ------
    CheckpointError
        If it is of another form, or names a file that is no checkpoint.

    Examples
    --------
    >>> parse_hub(parse_address("hf://lab/nuclei/best.safetensors@v2"))
    HubPlace(repository='lab/nuclei', file='best.safetensors', revision='v2')
    """
    form = "The form is hf://OWNER/NAME/FILE@REVISION; FILE and REVISION may be left out."
    matched = _HUB.fullmatch(address.url.rstrip("/"))
    climbs = not {".", ".."}.isdisjoint(re.split("[/@]", address.url))
    if matched is None or climbs or (matched["revision"] or "").endswith(_SUFFIX):
        raise CheckpointError("this is not the address of a repository", address, form)
    if matched["file"] is not None and not matched["file"].endswith(_SUFFIX):
        raise CheckpointError(
            "this is not a .safetensors checkpoint",
            address,
            "Published .pth files go through 'wsiseg models import' first.",
        )
    return HubPlace(f"{matched['owner']}/{matched['name']}", matched["file"], matched["revision"])


def _names_file(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname and parts.path.strip("/")) and parts.port != 0
    except ValueError:
        return False


def _check_hash(kind: str, value: str, url: str) -> str:
    digest = value.lower()
    if kind.lower() != "sha256" or not _SHA256.fullmatch(digest):
        raise ArgumentError(
            f"#{shorten(kind)}={shorten(value, 16)} is not a hash that can be verified",
            mask(url),
            "Give #sha256= and 64 hexadecimal digits.",
        )
    return digest
