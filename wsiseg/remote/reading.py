"""Reading a file behind an address: as a stream for its headers, by ranges for its pixels."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from wsiseg.errors import AddressError
from wsiseg.remote.addresses import mask
from wsiseg.remote.objects import ObjectFacts, Span, find_object

BLOCK = 2**14
"""Bytes of a block in which headers are fetched."""

_BLOCKS = 2**9
"""Blocks of a file that are kept."""

AHEAD_BYTES = 2**25
"""Most bytes of ranges that wait to be read."""


class RemoteFile(io.BufferedIOBase):
    """A file behind an address, read-only, fetched in blocks that are kept.

    Parameters
    ----------
    url : str
        The address.

    Raises
    ------
    FileNotFoundError
        If there is none.
    AddressError
        If it is not reached.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._object = find_object(url)
        self.facts = self._object.facts()
        self._blocks = _kept_blocks(url, self.facts)
        self._place = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, and return it.

        Parameters
        ----------
        offset : int
            Bytes.
        whence : int
            From where: the beginning, the position or the end, as :mod:`io` numbers them.
        """
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.facts.size}[whence]
        if start + offset < 0:
            raise ValueError("negative seek position")
        self._place = start + offset
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        """Return bytes from the position on, fewer at the file's end."""
        left = max(0, self.facts.size - self._place)
        count = left if size is None or size < 0 else min(size, left)
        content = self._fetch(self._place, count) if count else b""
        self._place += len(content)
        return content

    def read1(self, size: int = -1) -> bytes:
        """Return bytes as :meth:`read`."""
        return self.read(size)

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, and return how many bytes it holds."""
        view = memoryview(buffer).cast("B")
        content = self.read(len(view))
        view[: len(content)] = content
        return len(content)

    def _fetch(self, start: int, count: int) -> bytes:
        first, last = start // BLOCK, (start + count - 1) // BLOCK
        numbers = range(first, last + 1)
        with _LOCK:
            found = {number: self._blocks[number] for number in numbers if number in self._blocks}
        missing = [number for number in numbers if number not in found]
        if missing:
            # One range from the first to the last: what lies between is rarely there.
            begin = missing[0] * BLOCK
            end = min((missing[-1] + 1) * BLOCK, self.facts.size)
            (content,) = self._object.read([(begin, end - begin)])
            if len(content) < end - begin:
                where = mask(self._object.url)
                raise AddressError("the file became shorter while it was read", where, "Run again.")
            for number in range(missing[0], missing[-1] + 1):
                place = number * BLOCK - begin
                found[number] = content[place : place + BLOCK]
            with _LOCK:
                self._blocks.update(found)
                while len(self._blocks) > _BLOCKS:
                    self._blocks.popitem(last=False)
        whole = b"".join(found[number] for number in numbers)
        return whole[start - first * BLOCK : start - first * BLOCK + count]


_KEPT: OrderedDict[tuple[str, int, str | None], OrderedDict[int, bytes]] = OrderedDict()
"""Blocks of the last files, as a slide's header is read by several, one after the other."""

_FILES = 4
_LOCK = threading.Lock()


def _kept_blocks(url: str, facts: ObjectFacts) -> OrderedDict[int, bytes]:
    if facts.tag is None:
        return OrderedDict()
    with _LOCK:
        blocks = _KEPT.setdefault((url, facts.size, facts.tag), OrderedDict())
        _KEPT.move_to_end((url, facts.size, facts.tag))
        while len(_KEPT) > _FILES:
            _KEPT.popitem(last=False)
        return blocks


class RemoteBytes:
    """Ranges of a file behind an address, safe for many threads.

    Parameters
    ----------
    url : str
        The address.
    """

    def __init__(self, url: str) -> None:
        self._object = find_object(url)
        self._ready: OrderedDict[Span, bytes] = OrderedDict()
        self._coming: dict[Span, Future[bytes]] = {}
        self._size = 0
        self._lock = threading.Lock()

    def fetch(self, spans: Iterable[Span]) -> None:
        """Fetch ranges side by side, that will be read next.

        Parameters
        ----------
        spans : iterable of (int, int)
            Where each begins, and how many bytes it has.
        """
        self._fetch(spans)

    def _fetch(self, spans: Iterable[Span]) -> dict[Span, bytes]:
        """Fetch what no other thread has fetched or is fetching, and return that."""
        with self._lock:
            known = self._ready.keys() | self._coming.keys()
            wanted = [span for span in dict.fromkeys(spans) if span[1] and span not in known]
            # No two threads fetch the same.
            coming = {span: Future[bytes]() for span in wanted}
            self._coming |= coming
        if not wanted:
            return {}
        try:
            pieces = self._object.read(wanted)
        except BaseException as error:
            with self._lock:
                for span in wanted:
                    del self._coming[span]
            for future in coming.values():
                future.set_exception(error)
            raise
        self._keep(wanted, pieces)
        for span, piece in zip(wanted, pieces, strict=True):
            coming[span].set_result(piece)
        return dict(zip(wanted, pieces, strict=True))

    def _keep(self, spans: Sequence[Span], pieces: Sequence[bytes]) -> None:
        with self._lock:
            for span, piece in zip(spans, pieces, strict=True):
                self._coming.pop(span, None)
                self._ready[span] = piece
                self._size += len(piece)
            while self._size > AHEAD_BYTES:
                self._size -= len(self._ready.popitem(last=False)[1])

    def read(self, start: int, count: int) -> bytes:
        """Return `count` bytes from `start` on.

        Parameters
        ----------
        start : int
            Position of the first byte.
        count : int
            How many bytes.

        Raises
        ------
        AddressError
            If the server is not reached.
        """
        if not count:
            return b""
        span = start, count
        while True:
            with self._lock:
                piece = self._ready.get(span)
                coming = self._coming.get(span)
                if piece is not None:
                    self._ready.move_to_end(span)
            if piece is not None:
                return piece
            if coming is not None:
                return coming.result()
            # One that is larger than all that may wait is not kept.
            found = self._fetch([span])
            if found:
                return found[span]

    def close(self) -> None:
        """Let go of what was fetched."""
        with self._lock:
            self._ready.clear()
            self._size = 0
