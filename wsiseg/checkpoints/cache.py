"""Fetched checkpoints on this machine's disk, in the user's cache folder.

One folder per address, with the file and a note of what the server said of it.  Nothing is ever
read that was not written whole: a file counts only if it has the digest in the note, which is
written after it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from wsiseg.checkpoints.addresses import Address
from wsiseg.checkpoints.verifying import digest, verify
from wsiseg.error_translation import translate_errors
from wsiseg.errors import OutputError, WsisegError
from wsiseg.store.disk import UNFINISHED, write_json

_NOTE = "fetched.json"


@dataclass(frozen=True)
class Kept:
    """A file in the cache.

    Attributes
    ----------
    path : Path
        Where it lies.
    sha256 : str
        Its digest, which has been verified.
    state : dict of str to str
        What the server said of it: ETag, date, size.
    fetched : str
        The day on which it was fetched.
    """

    path: Path
    sha256: str
    state: Mapping[str, str]
    fetched: str


class CacheEntry:
    """The place of one address in the cache.

    Parameters
    ----------
    address : Address
        Its query and password count, and are not written down.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._cache = user_cache_path("wsiseg", appauthor=False) / "checkpoints"
        key = hashlib.sha256(address.url.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self._folder = self._cache / key
        self._lock = self._cache / "locks" / f"{key}.lock"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let one process at a time fetch; others wait, and find what it has fetched.

        Raises
        ------
        OutputError
            If the cache folder cannot be used.
        """
        with self._writing():
            self._lock.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._lock)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def read(self) -> Kept | None:
        """Return the file if there is one, undamaged."""
        try:
            note = json.loads((self._folder / _NOTE).read_text(encoding="utf-8"))
            path = self._folder / str(note["name"])
            if digest(path) == note["sha256"]:
                return Kept(path, note["sha256"], dict(note["state"]), str(note["fetched"]))
        except (OSError, ValueError, KeyError, TypeError):
            # Whatever it is, it is fetched again.
            pass
        return None

    def replace(self, download: Callable[[Path], None], state: Mapping[str, str]) -> Path:
        """Fetch a file, verify it, and only then put it into the place of the one before.

        Parameters
        ----------
        download : callable
            Takes the path to write to.
        state : mapping of str to str
            What the server says of it.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        CheckpointError
            If it has another digest than the address names, or is no checkpoint.
        OutputError
            If it cannot be written.
        """
        with self._writing():
            self._folder.mkdir(parents=True, exist_ok=True)
        # A process that was killed may have left one; whoever holds the lock may write over it.
        unfinished = self._folder / f"download{UNFINISHED}"
        path = self._folder / self._address.file_name
        try:
            download(unfinished)
            with self._writing():
                found = digest(unfinished)
            verify(unfinished, found, self._address)
            with self._writing():
                unfinished.replace(path)
                write_json(
                    self._folder / _NOTE,
                    {
                        "name": path.name,
                        "sha256": found,
                        "state": dict(state),
                        "fetched": datetime.now(UTC).strftime("%Y-%m-%d"),
                    },
                )
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
                # Stays where there is something in it.
                self._folder.rmdir()
        return path

    @contextmanager
    def _writing(self) -> Iterator[None]:
        def refuse(why: str) -> WsisegError:
            return OutputError(
                f"the download cannot be kept: {why}",
                self._cache,
                "Make room, or name another cache folder by XDG_CACHE_HOME.",
            )

        with translate_errors(refuse):
            yield
