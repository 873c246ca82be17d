"""Objects behind addresses: their size, their bytes by ranges, and for some of them writing.

S3, Google's and Azure's stores through obstore, which knows conditional writing, ranges side by
side and retries; every other address through fsspec, for reading.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wsiseg.errors import AddressError
from wsiseg.remote.addresses import OBJECT_STORES, WEB, mask
from wsiseg.remote.buckets import open_bucket
from wsiseg.remote.refusals import translate_refusals

_CONNECTING, _READING = 20, 60
"""Seconds that a server may take to answer, and between two pieces of a file."""

_GAP = 4096
"""Bytes that may lie between two ranges that are fetched as one."""

Version = dict[str, str]
"""What tells a content of an object from those before, for conditional writing."""

Span = tuple[int, int]
"""Where bytes begin, and how many there are."""


@dataclass(frozen=True)
class ObjectFacts:
    """What a server says of an object.

    Attributes
    ----------
    size : int
        Bytes.
    tag : str or None
        Changes with the content: its ETag, or when it was written.
    modified : datetime or None
        When it was written, by the server's clock.
    """

    size: int
    tag: str | None
    modified: datetime | None = None


class NoConditionsError(AddressError):
    """A server that writes whatever stands there, on which no lock can be built."""


class WritableObject:
    """An object of S3, Google or Azure, or a common beginning of many.

    Parameters
    ----------
    url : str
        Its address.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.kind = OBJECT_STORES[url.partition("://")[0]]
        with translate_refusals(url, self.kind):
            self.store, self.key = open_bucket(url, self.kind)

    def facts(self) -> ObjectFacts:
        """Return what the server says of the object."""
        import obstore

        with self._translating():
            found = obstore.head(self.store, self.key)
        tag = found["e_tag"] or str(found["last_modified"])
        return ObjectFacts(found["size"], tag, found["last_modified"])

    def read(self, spans: Sequence[Span]) -> list[bytes]:
        """Return the bytes of each span; those that nearly touch are fetched as one."""
        import obstore

        starts, lengths = [start for start, _ in spans], [count for _, count in spans]
        with self._translating():
            found = obstore.get_ranges(
                self.store, self.key, starts=starts, lengths=lengths, coalesce=_GAP
            )
        return [bytes(each) for each in found]

    def read_all(self) -> bytes:
        """Return all bytes."""
        return self.read_with_version()[0]

    def read_with_version(self) -> tuple[bytes, Version]:
        """Return all bytes, and the version of just these."""
        import obstore

        with self._translating():
            found = obstore.get(self.store, self.key)
            return bytes(found.bytes()), _version(found.meta)

    def stream(self) -> Iterator[bytes]:
        """Yield all bytes, some at a time."""
        import obstore

        with self._translating():
            for piece in obstore.get(self.store, self.key).stream():
                yield bytes(piece)

    def write(self, content: bytes) -> None:
        """Write the object: it appears whole or not at all."""
        self._put(content, "overwrite")

    def create(self, content: bytes) -> Version | None:
        """Write the object unless there is one; return its version, or None if there is.

        Raises
        ------
        NoConditionsError
            If the server does not write under conditions.
        """
        return self._put(content, "create")

    def update(self, content: bytes, version: Version) -> Version | None:
        """Write over the object if its version is still this one.

        Parameters
        ----------
        content : bytes
            What it holds from now on.
        version : dict
            What an earlier reading or writing returned.

        Returns
        -------
        dict or None
            The new version; None if it is another's by now.
        """
        return self._put(content, version)

    def _put(self, content: bytes, mode: Any) -> Version | None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, NotSupportedError, PreconditionError

        with self._translating():
            try:
                # In pieces it would be several requests, which are neither whole nor conditional.
                written = obstore.put(self.store, self.key, content, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return None
            except NotSupportedError as error:
                raise NoConditionsError(
                    "the server does not write under conditions", mask(self.url)
                ) from error
            except FileNotFoundError as error:
                if mode not in ("create", "overwrite"):
                    return None
                if "NoSuchBucket" in str(error) or "NoSuchKey" in str(error):
                    raise
                where = mask(self.url)
                raise AddressError("there is no such bucket or container", where) from None
        return _version(written)

    def delete(self) -> None:
        """Delete the object, if there is one."""
        import obstore

        with self._translating():
            try:
                obstore.delete(self.store, self.key)
            except FileNotFoundError:
                return

    def below(self) -> Iterator[tuple[str, int]]:
        """Yield name and size of every object whose name begins with this one and a slash."""
        import obstore

        with self._translating():
            for batch in obstore.list(self.store, self._prefix or None, chunk_size=1000):
                for each in batch:
                    yield each["path"].removeprefix(self._prefix), each["size"]

    def children(self) -> list[str]:
        """Return the names right below, of objects and of what begins others."""
        import obstore

        with self._translating():
            found = obstore.list_with_delimiter(self.store, self._prefix or None)
        names = [*found["common_prefixes"], *(each["path"] for each in found["objects"])]
        return sorted(name.removeprefix(self._prefix).strip("/") for name in names)

    def has_below(self) -> bool:
        """Tell whether there is any object below."""
        return next(self.below(), None) is not None

    def delete_below(self) -> None:
        """Delete every object below."""
        import obstore

        keys = [self._prefix + name for name, _ in self.below()]
        with self._translating():
            for start in range(0, len(keys), 1000):
                obstore.delete(self.store, keys[start : start + 1000])

    def copy_to(self, other: WritableObject) -> None:
        """Copy the object to another place of the same bucket."""
        import obstore

        with self._translating():
            obstore.copy(self.store, self.key, other.key)

    @property
    def _prefix(self) -> str:
        """With what the names of all that is below begin."""
        return f"{self.key}/" if self.key else ""

    def _translating(self) -> Any:
        return translate_refusals(self.url, self.kind)


class ReadableObject:
    """A file behind ``https://``, or behind any other address that fsspec knows.

    Parameters
    ----------
    url : str
        Its address.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.kind = url.partition("://")[0]
        with self._translating():
            self._files, self._place = _file_system(self.kind, url)

    def facts(self) -> ObjectFacts:
        """Return what the server says of the file."""
        with self._translating():
            told = self._files.info(self._place)
        size = told.get("size")
        if told.get("type") == "directory":
            raise FileNotFoundError(mask(self.url))
        if size is None or told.get("partial") is False:
            raise _sends_no_parts(self.url)
        tags = (told.get(name) for name in ("ETag", "Last-Modified", "LastModified", "mtime"))
        return ObjectFacts(int(size), next((str(tag) for tag in tags if tag), None))

    def read(self, spans: Sequence[Span]) -> list[bytes]:
        """Return the bytes of each span; those that nearly touch are fetched as one."""
        runs = list(_joined(spans))
        with self._translating():
            found = self._files.cat_ranges(
                [self._place] * len(runs),
                [start for start, _ in runs],
                [start + count for start, count in runs],
                on_error="raise",
            )
        pieces = dict(zip(runs, map(bytes, found), strict=True))
        if any(len(piece) > count for (_, count), piece in pieces.items()):
            raise _sends_no_parts(self.url)
        return [_cut(span, pieces) for span in spans]

    def read_all(self) -> bytes:
        """Return all bytes."""
        with self._translating():
            return bytes(self._files.cat_file(self._place))

    def _translating(self) -> Any:
        return translate_refusals(self.url, self.kind)


def _sends_no_parts(url: str) -> AddressError:
    return AddressError(
        "the server does not send parts of files", mask(url), "Copy the file first."
    )


def find_object(url: str) -> WritableObject | ReadableObject:
    """Return the object behind an address.

    Raises
    ------
    AddressError
        If the address, or what is configured for it, is invalid.
    RuntimeUnavailableError
        If what reads it is not installed.
    """
    writable = url.partition("://")[0] in OBJECT_STORES
    return WritableObject(url) if writable else ReadableObject(url)


@functools.lru_cache(maxsize=64)
def _file_system(scheme: str, url: str) -> tuple[Any, str]:
    """Return fsspec's file system for an address, and what it calls the place."""
    import fsspec

    if scheme in WEB:
        return fsspec.filesystem(scheme, **web_settings()), url
    try:
        fsspec.get_filesystem_class(scheme)
    except ValueError:
        raise AddressError(
            f"{scheme}:// addresses are not supported", mask(url), "Check it."
        ) from None
    files, place = fsspec.url_to_fs(url)
    return files, place


def web_settings() -> dict[str, Any]:
    """Return the settings of fsspec's file system for ``https://``."""
    from aiohttp import ClientTimeout

    limits = ClientTimeout(total=None, sock_connect=_CONNECTING, sock_read=_READING)
    return {
        # Behind a proxy, only the environment knows it.
        "client_kwargs": {"timeout": limits, "trust_env": True},
        # What is compressed on the way has no size that could be checked.
        "headers": {"Accept-Encoding": "identity"},
    }


def _version(told: Any) -> Version:
    return {name: told[name] for name in ("e_tag", "version") if told[name] is not None}


def _joined(spans: Sequence[Span]) -> Iterator[Span]:
    """Join spans that nearly touch."""
    first, last = None, 0
    for start, count in sorted(set(spans)):
        if first is not None and start <= last + _GAP:
            last = max(last, start + count)
            continue
        if first is not None:
            yield first, last - first
        first, last = start, start + count
    if first is not None:
        yield first, last - first


def _cut(span: Span, pieces: dict[Span, bytes]) -> bytes:
    start, count = span
    for (begin, length), piece in pieces.items():
        if begin <= start and start + count <= begin + length:
            return piece[start - begin : start - begin + count]
    raise AssertionError(span)
