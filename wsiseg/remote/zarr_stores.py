"""Zarr stores behind addresses, whose failures are errors of ours and never read as empty."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractContextManager
from typing import Any

from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import FsspecStore, ObjectStore

from wsiseg.remote.addresses import mask
from wsiseg.remote.refusals import translate_refusals


class BucketStore(ObjectStore[Any]):
    """What lies below a name in a bucket, through obstore.

    Zarr makes groups of all that is above an array, so it is shown nothing above the array.

    Parameters
    ----------
    store : obstore.store.ObjectStore
        The bucket.
    prefix : str
        The name, without a slash at its end.
    root : str
        The bucket's address, for errors.
    kind : str
        ``s3``, ``gs`` or ``az``.
    read_only : bool
        Whether nothing is to be written.
    """

    def __init__(
        self, store: Any, prefix: str, root: str, kind: str, *, read_only: bool = False
    ) -> None:
        super().__init__(store, read_only=read_only)
        self._prefix, self._root, self._kind = prefix, root, kind

    def __eq__(self, other: object) -> bool:
        own = isinstance(other, BucketStore) and self._prefix == other._prefix
        return own and super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]  # as its base has none

    def with_read_only(self, read_only: bool = False) -> BucketStore:
        """Return the same store, to be written to or not."""
        return type(self)(self.store, self._prefix, self._root, self._kind, read_only=read_only)

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _translating(self, key: str = "") -> AbstractContextManager[None]:
        return translate_refusals(f"{self._root}/{self._key(key)}", self._kind)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return an object's bytes, or None if there is none.

        Parameters
        ----------
        key : str
            The object's name.
        prototype : BufferPrototype
            Of the buffer to fill.
        byte_range : ByteRequest, optional
            Which of its bytes; all if left out.
        """
        with self._translating(key):
            return await super().get(self._key(key), prototype, byte_range)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of objects.

        Parameters
        ----------
        prototype : BufferPrototype
            Of the buffers to fill.
        key_ranges : iterable of (str, ByteRequest or None)
            Names of objects, and which of their bytes.
        """
        with self._translating():
            return await super().get_partial_values(
                prototype, [(self._key(key), each) for key, each in key_ranges]
            )

    async def exists(self, key: str) -> bool:
        """Tell whether there is an object."""
        with self._translating(key):
            return await super().exists(self._key(key))

    async def set(self, key: str, value: Buffer) -> None:
        """Write an object: it appears whole or not at all.

        Parameters
        ----------
        key : str
            The object's name.
        value : Buffer
            Its content.
        """
        with self._translating(key):
            await super().set(self._key(key), value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write an object unless there is one.

        Parameters
        ----------
        key : str
            The object's name.
        value : Buffer
            Its content.
        """
        with self._translating(key):
            await super().set_if_not_exists(self._key(key), value)

    async def getsize(self, key: str) -> int:
        """Return the bytes of an object."""
        with self._translating(key):
            return await super().getsize(self._key(key))

    async def getsize_prefix(self, prefix: str) -> int:
        """Return the bytes of all objects below."""
        with self._translating(prefix):
            return await super().getsize_prefix(self._key(prefix))

    async def delete(self, key: str) -> None:
        """Delete an object, if there is one."""
        with self._translating(key):
            await super().delete(self._key(key))

    async def delete_dir(self, prefix: str) -> None:
        """Delete all objects below."""
        with self._translating(prefix):
            # Its base deletes what it lists by the very names that it lists.
            for found in [key async for key in self.list_prefix(prefix)]:
                await self.delete(found)

    async def list(self) -> AsyncGenerator[str, None]:
        """Yield the names of all objects."""
        async for found in self.list_prefix(""):
            yield found

    async def list_prefix(self, prefix: str) -> AsyncGenerator[str, None]:
        """Yield the names of the objects below another name."""
        above = f"{self._prefix}/" if self._prefix else ""
        with self._translating(prefix):
            async for found in super().list_prefix(self._key(prefix).rstrip("/")):
                yield found.removeprefix(above)

    async def list_dir(self, prefix: str) -> AsyncGenerator[str, None]:
        """Yield the names right below another name."""
        with self._translating(prefix):
            async for found in super().list_dir(self._key(prefix).rstrip("/")):
                yield found


class WebStore(FsspecStore):
    """What lies behind ``https://``, or any other address that fsspec knows."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({mask(self.path)})>"

    def _translating(self, key: str = "") -> AbstractContextManager[None]:
        return translate_refusals(f"{self.path}/{key}".rstrip("/"), "https")

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return a file's bytes, or None if there is none.

        Parameters
        ----------
        key : str
            The object's name.
        prototype : BufferPrototype
            Of the buffer to fill.
        byte_range : ByteRequest, optional
            Which of its bytes; all if left out.
        """
        try:
            with self._translating(key):
                return await super().get(key, prototype, byte_range)
        except FileNotFoundError:
            return None

    async def exists(self, key: str) -> bool:
        """Tell whether there is a file."""
        try:
            with self._translating(key):
                return await super().exists(key)
        except FileNotFoundError:
            return False
