"""What is computed once and kept on this machine's disk: compiled networks, what they cost.

An entry is a file under the user's cache folder, named after a digest of its key.  A key says all
that the entry depends on; this package's own version is added here.  Files appear whole or not at
all, and begin with a digest of their content, so any number of processes may read and write at
once.  Nothing here can make a run fail: what cannot be kept is computed again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path

from wsiseg.error_translation import reason, translate_errors
from wsiseg.errors import OutputError

Json = bool | int | float | str | None | list["Json"] | tuple["Json", ...] | Mapping[str, "Json"]
"""What a key may hold."""

LARGEST = 2**30
"""Bytes of all entries; above them those leave that were not used for longest."""

MARK = b"wsiseg-kept-1\n"
"""Begins every file; the digest of the content follows, and then the content."""

_ENDING, _UNFINISHED = ".kept", ".partial"
_ABANDONED = 3600
"""Seconds after which an unfinished file is taken for one of a process that was killed."""


def cache_folder() -> Path:
    """Return the folder of the entries, whether it exists or not."""
    return user_cache_path("wsiseg", appauthor=False) / "networks"


def kept(kind: str, key: Mapping[str, Json]) -> bytes | None:
    """Return what was kept under a key.

    Parameters
    ----------
    kind : str
        What it is, as a folder may be called.
    key : mapping
        All that it depends on besides this package's version.

    Returns
    -------
    bytes or None
        None if there is nothing, or it is damaged, which is warned of.
    """
    path = _place(kind, key)
    try:
        content = path.read_bytes()
    except OSError:
        # There is none; or it cannot be read, and whoever cannot replace it says so.
        return None
    begin = len(MARK) + hashlib.sha256().digest_size
    found = content[begin:]
    if content[:begin] != MARK + hashlib.sha256(found).digest():
        warnings.warn(f"a damaged file in the cache is made again ({path})", stacklevel=2)
        with suppress(OSError):
            path.unlink()
        return None
    with suppress(OSError):
        # Those that are in use stay.
        os.utime(path)
    return found


def keep(kind: str, key: Mapping[str, Json], content: bytes) -> None:
    """Keep something under a key, in place of what was there.

    Where that is impossible, one warning says so, and nothing is kept.

    Parameters
    ----------
    kind : str
        What it is, as a folder may be called.
    key : mapping
        All that it depends on besides this package's version.
    content : bytes
        Returned by :func:`kept`.

    Examples
    --------
    >>> keep("doctest", {"weights": "0a"}, b"12.5")
    >>> kept("doctest", {"weights": "0a"}), kept("doctest", {"weights": "0b"})
    (b'12.5', None)
    """
    path = _place(kind, key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _unfinished(path.parent) as partial:
            digest = hashlib.sha256(content).digest()
            with partial.open("wb") as file:
                file.writelines((MARK, digest, content))
            partial.replace(path)
        _make_room(path)
    except OSError as error:
        _warn_once(
            f"nothing is kept for the next run: {reason(error)} ({error.filename or path}). "
            "Make room, or name another cache folder by XDG_CACHE_HOME"
        )


def cache_size() -> int:
    """Return the bytes of all entries."""
    return sum(size for _, size, _ in _files())


def clear_cache() -> int:
    """Remove all entries, and return how many bytes they had.

    Raises
    ------
    OutputError
        If they cannot be removed.
    """
    before, folder = cache_size(), cache_folder()
    with (
        translate_errors(
            lambda why: OutputError(
                f"the cache cannot be emptied: {why}", folder, "Remove the folder yourself."
            )
        ),
        suppress(FileNotFoundError, NotADirectoryError),
    ):
        shutil.rmtree(folder)
    return before


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Give a file of this process alone, and remove it if it has not been renamed."""
    number, name = tempfile.mkstemp(_UNFINISHED, dir=folder)
    os.close(number)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _place(kind: str, key: Mapping[str, Json]) -> Path:
    text = json.dumps({"wsiseg": _code_version(), "key": key}, sort_keys=True)
    return cache_folder() / kind / f"{hashlib.sha256(text.encode()).hexdigest()[:40]}{_ENDING}"


@functools.cache
def _code_version() -> str:
    """Return the version of this package; that of a clone changes with each change of a file."""
    home = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        facts = path.stat()
        digest.update(f"{path.relative_to(home)} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return f"{version('wsiseg')}+{digest.hexdigest()}"


def _files() -> list[tuple[float, int, Path]]:
    """Return when each file was used last, its size and its path."""
    found = []
    for path in cache_folder().glob("*/*"):
        # Another process may remove it meanwhile.
        with suppress(OSError):
            facts = path.stat()
            found.append((facts.st_mtime, facts.st_size, path))
    return found


def _make_room(newest: Path) -> None:
    """Remove what was not used for longest, but for one entry, until the rest is small enough."""
    files = sorted(_files())
    total = sum(size for _, size, _ in files)
    old = time.time() - _ABANDONED
    for used, size, path in files:
        finished = path.suffix == _ENDING
        if (total > LARGEST and finished and path != newest) or (not finished and used < old):
            with suppress(OSError):
                path.unlink()
                total -= size


_warned: list[str] = []


def _warn_once(text: str) -> None:
    if not _warned:
        _warned.append(text)
        warnings.warn(text, stacklevel=3)
