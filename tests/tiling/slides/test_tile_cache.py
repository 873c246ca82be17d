"""What is decoded, how often, and what of it is kept."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.tiling.slides.tile_cache import Place, TileCache

TILE = np.zeros((10, 10, 3), np.uint8)


def get(cache: TileCache, place: Place, reduction: int, decode: Callable[[], Pixels]) -> Pixels:
    found = cache.request(place, reduction, decode)
    return found.result() if isinstance(found, Future) else found


class Decoder:
    """Makes tiles and takes down which."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def get(self, cache: TileCache, index: int) -> None:
        get(cache, Place(0, index), 1, lambda: self._make(index))

    def _make(self, index: int) -> Pixels:
        self.made.append(index)
        return TILE.copy()


def test_what_was_used_longest_ago_goes_first() -> None:
    cache, decoder = TileCache(3 * TILE.nbytes), Decoder()
    for index in (1, 2, 3, 1, 4, 1, 3, 4, 2):
        decoder.get(cache, index)
    assert decoder.made == [1, 2, 3, 4, 2]


def test_what_is_needed_soon_is_kept_and_what_is_needed_last_goes() -> None:
    cache, decoder = TileCache(2 * TILE.nbytes), Decoder()
    finish = [cache.announce([Place(0, index)]) for index in (1, 2, 3, 1, 2)]
    for index, done in zip((1, 2, 3, 1, 2), finish, strict=True):
        decoder.get(cache, index)
        done()
    # Of three tiles that room is for two of, 3 is never wanted again and makes room at once.
    assert decoder.made == [1, 2, 3, 2]


def test_an_announcement_that_is_taken_back_keeps_nothing() -> None:
    cache, decoder = TileCache(TILE.nbytes), Decoder()
    cache.announce([Place(0, 1), Place(0, 1), Place(0, 5)])()
    for index in (1, 2, 2):
        decoder.get(cache, index)
    assert decoder.made == [1, 2]


def test_sizes_of_one_tile_are_kept_apart() -> None:
    cache = TileCache(10 * TILE.nbytes)
    for reduction in (1, 2, 1, 2):
        edge = 10 // reduction
        tile = get(cache, Place(0, 0), reduction, lambda edge=edge: TILE[:edge, :edge].copy())
        assert tile.shape == (edge, edge, 3)


def test_two_threads_decode_a_tile_once() -> None:
    cache, started, go_on = TileCache(TILE.nbytes), threading.Event(), threading.Event()
    made = []

    def slow() -> Pixels:
        started.set()
        assert go_on.wait(10)
        made.append(1)
        return TILE.copy()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(get, cache, Place(0, 0), 1, slow)
        assert started.wait(10)
        coming = cache.request(Place(0, 0), 1, slow)
        assert isinstance(coming, Future)
        second = pool.submit(get, cache, Place(0, 0), 1, slow)
        go_on.set()
        assert first.result() is second.result() is coming.result()
    assert made == [1]


def test_what_fails_is_tried_again_by_whoever_asks_next() -> None:
    cache, decoder = TileCache(TILE.nbytes), Decoder()

    def broken() -> Pixels:
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        get(cache, Place(0, 7), 1, broken)
    decoder.get(cache, 7)
    assert decoder.made == [7]
