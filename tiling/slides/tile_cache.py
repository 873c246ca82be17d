"""A cache of decoded file tiles, so that a pass over a slide decodes each of them once."""

from __future__ import annotations

import itertools
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

from wsiseg.tiling.slides.pixels import Pixels

CACHE_BYTES = 64 * 2**20
"""Most bytes of decoded file tiles that an open slide keeps."""

OPENSLIDE_CACHE_BYTES = 64 * 2**20
"""Most bytes that OpenSlide keeps on top, of file tiles that several blocks share."""


class Place(NamedTuple):
    """A file tile or a block: its level and its number in row-major order."""

    level: int
    number: int


class TileCache:
    """Decoded file tiles up to a number of bytes, shared by all threads of a slide.

    Reads that are announced in order are evicted by it: the tile that is needed last goes first.
    Without announcements the least recently used goes first.  No tile is decoded by two threads at
    once: the second one waits for the first.

    Parameters
    ----------
    limit : int
        Bytes to keep.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._tiles: OrderedDict[tuple[Place, int], Pixels] = OrderedDict()
        self._pending: dict[tuple[Place, int], Future[Pixels]] = {}
        self._readers: dict[Place, list[int]] = {}
        self._tickets = itertools.count()
        self._lock = threading.Lock()

    def request(
        self, place: Place, reduction: int, decode: Callable[[], Pixels]
    ) -> Pixels | Future[Pixels]:
        """Return a file tile from the cache, decoding it on a miss; not to be written to.

        Parameters
        ----------
        place : Place
            Level and number of the tile.
        reduction : int
            Downsampling factor at which it is decoded.
        decode : callable
            Decodes it.

        Returns
        -------
        ndarray or Future
            The latter where another thread is decoding it.
        """
        key = place, reduction
        with self._lock:
            tile = self._tiles.get(key)
            if tile is not None:
                self._tiles.move_to_end(key)
                return tile
            pending = self._pending.get(key)
            if pending is None:
                made = self._pending[key] = Future()
        if pending is not None:
            return pending
        try:
            tile = decode()
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            made.set_exception(error)
            raise
        with self._lock:
            del self._pending[key]
            self._keep(key, tile)
        made.set_result(tile)
        return tile

    def holds(self, place: Place, reduction: int) -> bool:
        """Tell whether a file tile is in the cache, or is being decoded.

        Parameters
        ----------
        place : Place
            Level and number of the tile.
        reduction : int
            Downsampling factor at which it is decoded.
        """
        with self._lock:
            return (place, reduction) in self._tiles or (place, reduction) in self._pending

    def announce(self, places: Iterable[Place]) -> Callable[[], None]:
        """Announce that a read will request these tiles, after the reads announced before.

        Parameters
        ----------
        places : iterable of Place
            The tiles.

        Returns
        -------
        callable
            To be called when the read is done, or will not be done.
        """
        wanted = tuple(places)
        with self._lock:
            ticket = next(self._tickets)
            for place in wanted:
                self._readers.setdefault(place, []).append(ticket)
        return partial(self._finish, ticket, wanted)

    def _finish(self, ticket: int, wanted: tuple[Place, ...]) -> None:
        with self._lock:
            for place in wanted:
                self._readers[place].remove(ticket)
                if not self._readers[place]:
                    del self._readers[place]

    def _keep(self, key: tuple[Place, int], tile: Pixels) -> None:
        self._tiles[key] = tile
        self._size += tile.nbytes
        while self._size > self._limit and self._tiles:
            # Of the tiles without an announced read, the least recently used.
            last = max(self._tiles, key=self._next_reader) if self._readers else None
            least = next(iter(self._tiles)) if last is None else last
            self._size -= self._tiles.pop(least).nbytes

    def _next_reader(self, key: tuple[Place, int]) -> float:
        readers = self._readers.get(key[0])
        return math.inf if readers is None else readers[0]
