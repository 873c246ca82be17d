"""Locks in object stores: renewed, taken by another, or not to be had."""

import time
from collections.abc import Callable

import pytest

from wsiseg.errors import OutputError
from wsiseg.remote.remote_path import RemotePath
from wsiseg.store import leases
from wsiseg.store.locks import hold_lock


def test_a_server_without_conditional_writing_has_no_locks_and_that_is_said(monkeypatch):
    obstore = pytest.importorskip("obstore", reason="obstore is an extra: wsiseg[remote]")
    exceptions = pytest.importorskip("obstore.exceptions")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    def put(*_: object, **__: object) -> None:
        raise exceptions.NotSupportedError("PutMode")

    monkeypatch.setattr(obstore, "put", put)
    said: list[str] = []
    with hold_lock(RemotePath("s3://lab/out/a.lock"), said.append):
        (told,) = said
    assert told.startswith("s3://lab/out has no conditional writing, so no locks")


class Memory:
    """An object in memory, whose answers can get lost on the way."""

    def __init__(self) -> None:
        self.content, self.number, self.losing = b"", 0, False

    def create(self, content: bytes) -> dict[str, str] | None:
        return None if self.content else self._put(content)

    def update(self, content: bytes, version: dict[str, str]) -> dict[str, str] | None:
        if version != {"e_tag": f"{self.number}"}:
            return None
        written = self._put(content)
        # What sends it again is refused.
        losing, self.losing = self.losing, False
        return None if losing else written

    def _put(self, content: bytes) -> dict[str, str]:
        self.content, self.number = content, self.number + 1
        return {"e_tag": f"{self.number}"}

    def read_with_version(self) -> tuple[bytes, dict[str, str]]:
        if not self.content:
            raise FileNotFoundError
        return self.content, {"e_tag": f"{self.number}"}

    def delete(self) -> None:
        self.content = b""


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    made = Memory()
    monkeypatch.setattr(RemotePath, "writable", property(lambda _: made))
    monkeypatch.setattr(leases, "RENEWAL", 0.01)
    return made


def wait_for(number: int, memory: Memory) -> None:
    end = time.monotonic() + 20
    while memory.number < number and time.monotonic() < end:
        time.sleep(0.01)


def check_for_long(check: Callable[[], None]) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        check()
        time.sleep(0.01)


def test_a_renewal_whose_answer_was_lost_is_no_lost_lock(memory):
    with leases.hold_lease(RemotePath("s3://lab/a.lock"), pytest.fail, timeout=0) as check:
        memory.losing = True
        # The one that was lost, the one that follows at once, and one more.
        wait_for(memory.number + 3, memory)
        assert not memory.losing
        check()
    assert memory.content == b""


def test_a_lock_that_another_has_taken_is_lost_and_stays_the_others(memory):
    with leases.hold_lease(RemotePath("s3://lab/a.lock"), pytest.fail, timeout=0) as check:
        memory._put(b'{"lease": "another"}')
        with pytest.raises(OutputError, match="was lost"):
            check_for_long(check)
    assert memory.content == b'{"lease": "another"}'
