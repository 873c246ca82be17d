"""Ranges of files behind addresses: whole, once, and from one content of the file."""

import threading

import pytest

from wsiseg.errors import AddressError
from wsiseg.remote import reading
from wsiseg.remote.objects import ObjectFacts

CONTENT = bytes(range(256)) * 4


class Object:
    """An object that counts how often it is asked."""

    url = "https://host/a.svs?token=hush"

    def __init__(self, content=CONTENT):
        self.content, self.asked = content, []

    def facts(self):
        return ObjectFacts(len(CONTENT), None)

    def read(self, spans):
        self.asked += spans
        return [self.content[start : start + count] for start, count in spans]


@pytest.fixture
def found(monkeypatch):
    made = Object()
    monkeypatch.setattr(reading, "find_object", lambda _: made)
    return made


def test_a_range_larger_than_all_that_is_kept_is_read(found, monkeypatch):
    monkeypatch.setattr(reading, "AHEAD_BYTES", 100)
    ranges = reading.RemoteBytes(found.url)
    ranges.fetch([(0, 60), (60, 60)])
    assert ranges.read(5, 300) == CONTENT[5:305]
    assert ranges.read(60, 60) == CONTENT[60:120]
    assert (5, 300) in found.asked


def test_two_threads_that_want_the_same_fetch_it_once(found, monkeypatch):
    reached, go_on, read = threading.Event(), threading.Event(), found.read

    def slowly(spans):
        reached.set()
        assert go_on.wait(20)
        return read(spans)

    monkeypatch.setattr(found, "read", slowly)
    ranges, got = reading.RemoteBytes(found.url), []
    threads = [threading.Thread(target=lambda: got.append(ranges.read(7, 9))) for _ in range(2)]
    threads[0].start()
    assert reached.wait(20)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert got == [CONTENT[7:16]] * 2
    assert found.asked == [(7, 9)]


def test_a_file_that_becomes_shorter_is_no_end_of_it(found):
    file = reading.RemoteFile(found.url)
    assert file.read() == CONTENT
    found.content = CONTENT[:100]
    with pytest.raises(AddressError, match="became shorter") as told:
        reading.RemoteFile(found.url).read()
    assert "hush" not in str(told.value)
