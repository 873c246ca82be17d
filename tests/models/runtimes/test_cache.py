"""What is kept comes back whole or not at all, whatever happens to the folder meanwhile."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from wsiseg.errors import OutputError
from wsiseg.models.runtimes import cache
from wsiseg.models.runtimes.cache import cache_folder, cache_size, clear_cache, keep, kept

KEY = {"weights": "ab", "tile": [512, 384], "precision": "fp32"}


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_warned", [])


def only_entry() -> Path:
    (entry,) = cache_folder().glob("*/*")
    return entry


def test_what_is_kept_comes_back() -> None:
    assert kept("reach", KEY) is None
    keep("reach", KEY, b"\x00\xff" * 1000)
    assert kept("reach", KEY) == b"\x00\xff" * 1000
    assert cache_size() > 2000


@pytest.mark.parametrize("changed", [{"weights": "ac"}, {"tile": [384, 512]}, {"device": "cpu"}])
def test_another_key_is_another_entry(changed: dict[str, object]) -> None:
    keep("reach", KEY, b"64")
    assert kept("reach", KEY | changed) is None
    assert kept("memory", KEY) is None
    assert kept("reach", dict(reversed(KEY.items()))) == b"64"


def test_another_version_is_another_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    keep("reach", KEY, b"64")
    monkeypatch.setattr(cache, "_code_version", lambda: "0.2")
    assert kept("reach", KEY) is None


@pytest.mark.parametrize("damage", [b"", b"wsiseg", None])
def test_a_damaged_entry_is_warned_of_and_made_anew(damage: bytes | None) -> None:
    keep("reach", KEY, b"one content, of some length")
    whole = only_entry().read_bytes()
    only_entry().write_bytes(whole[:-3] + b"\x00\x00\x00" if damage is None else damage)
    with pytest.warns(UserWarning, match="damaged file in the cache is made again") as said:
        assert kept("reach", KEY) is None
    assert len(said) == 1
    assert kept("reach", KEY) is None
    keep("reach", KEY, b"64")
    assert kept("reach", KEY) == b"64"


def test_a_folder_that_cannot_be_written_is_warned_of_once(tmp_path: Path) -> None:
    # Permissions do not stop everybody: root may write anywhere.
    (tmp_path / "cache").write_text("no folder")
    with pytest.warns(UserWarning, match="nothing is kept for the next run.*XDG_CACHE_HOME"):
        keep("reach", KEY, b"64")
    # Warnings are errors in tests: no further one comes.
    keep("reach", KEY, b"64")
    assert kept("reach", KEY) is None
    assert clear_cache() == 0


def test_what_was_not_used_for_longest_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LARGEST", 3500)
    for number in range(3):
        keep("reach", {"number": number}, bytes(1000))
        os.utime(max(cache_folder().glob("*/*"), key=os.path.getctime), (1000 + number,) * 2)
    assert kept("reach", {"number": 0}) is not None
    keep("reach", {"number": 3}, bytes(1000))
    there = [kept("reach", {"number": number}) is not None for number in range(4)]
    assert there == [True, False, True, True]


def test_one_entry_may_be_larger_than_all_are_meant_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LARGEST", 10)
    keep("reach", KEY, bytes(1000))
    assert kept("reach", KEY) == bytes(1000)


def test_files_of_killed_processes_leave() -> None:
    keep("reach", KEY, b"64")
    stray = only_entry().with_name("tmpabc.partial")
    young = only_entry().with_name("tmpabd.partial")
    stray.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(stray, (0, 0))
    keep("reach", KEY, b"64")
    assert not stray.exists()
    assert young.exists()


def test_clearing_tells_how_much_there_was() -> None:
    assert clear_cache() == 0
    keep("reach", KEY, bytes(5000))
    size = cache_size()
    assert clear_cache() == size > 5000
    assert kept("reach", KEY) is None
    assert cache_size() == 0


def test_what_cannot_be_cleared_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    keep("reach", KEY, b"64")
    monkeypatch.setattr("shutil.rmtree", refuse)
    with pytest.raises(OutputError, match="cannot be emptied: Permission denied"):
        clear_cache()


WRITER = """
import sys, warnings
warnings.simplefilter("error")
from wsiseg.models.runtimes.cache import keep, kept
mine = sys.argv[1].encode() * 100_000
for _ in range(100):
    keep("reach", {"shared": True}, mine)
    assert kept("reach", {"shared": True}) in (b"a" * 100_000, b"b" * 100_000)
"""


def test_two_writers_at_once_leave_one_whole_entry() -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name]) for name in ("a", "b")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kept("reach", {"shared": True}) in (b"a" * 100_000, b"b" * 100_000)
    assert only_entry().suffix == ".kept"
