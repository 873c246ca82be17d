"""Locks in an object store, which knows none: an object that its holder keeps renewing.

Creating it and renewing it are conditional writes, so of two that try at once one succeeds.  A
holder that was killed does not renew; after :data:`LEASE` seconds by the server's clock, or at once
if it was a process of this machine that is gone, another may take its place.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

from wsiseg.errors import AddressError, OutputError, OutputHeldError
from wsiseg.remote.objects import NoConditionsError, Version
from wsiseg.remote.remote_path import RemotePath
from wsiseg.store.holders import describe_holder, this_holder

LEASE, RENEWAL = 90.0, 20.0
"""Seconds after which a lock that is not renewed counts no more, and between two renewals."""

_PAUSE = 0.1
_STARTED, _LEASE_ID, _MARK = "started", "lease", "mark"

_LIVE: set[str] = set()
"""The leases that this process holds."""


@contextmanager
def hold_lease(
    path: RemotePath, warn: Callable[[str], None], *, timeout: float
) -> Iterator[Callable[[], None]]:
    """Hold a lock in an object store, or raise if another process holds it.

    Parameters
    ----------
    path : RemotePath
        The lock's object.
    warn : callable
        Called with a sentence if the store has no conditional writing; work continues without.
    timeout : float
        Seconds to wait for the holder.

    Yields
    ------
    callable
        Raises OutputError if the lock was lost meanwhile.

    Raises
    ------
    OutputHeldError
        If another one holds it; names the process.
    """
    lease = _Lease(path)
    try:
        taken = lease.take(timeout)
    except NoConditionsError:
        warn(f"{path.parent} has no conditional writing, so no locks: start no second run there")
        yield lambda: None
        return
    if not taken:
        raise OutputHeldError(
            f"another run is writing this output: {describe_holder(lease.other)}",
            path,
            "Wait until it ends, or choose another `output`.",
        )
    thread = threading.Thread(target=lease.keep_renewing, name="wsiseg-lease", daemon=True)
    thread.start()
    try:
        yield lease.check
    finally:
        lease.ended.set()
        thread.join()
        with suppress(AddressError):
            # What is left behind of it is known to be of a process that is gone.
            lease.give_back()


class _Lease:
    """The object of a lock."""

    def __init__(self, path: RemotePath) -> None:
        self.ended = threading.Event()
        self.other: object = None
        self._path = path
        self._object = path.writable
        self._version: Version | None = None
        self._lost = False
        self._id = uuid.uuid4().hex
        started = psutil.Process().create_time()
        self._holder = {**this_holder(), _STARTED: started, _LEASE_ID: self._id}
        self._renewed = time.monotonic()

    def take(self, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while True:
            self._version = self._object.create(self._content())
            if self._version is None:
                self._version = self._replace_abandoned()
            if self._version is not None:
                self._renewed = time.monotonic()
                _LIVE.add(self._id)
                return True
            if time.monotonic() >= end:
                return False
            time.sleep(_PAUSE)

    def _replace_abandoned(self) -> Version | None:
        """Take the place of a holder that is gone; None if it is not, or another was quicker."""
        try:
            content, version = self._object.read_with_version()
            self.other = json.loads(content)
        except FileNotFoundError:
            return None
        except ValueError:
            self.other = None
        gone = _is_gone(self.other) or self._age() > LEASE
        return self._object.update(self._content(), version) if gone else None

    def _age(self) -> float:
        """Return the seconds since the last renewal, by the server's clock alone."""
        probe = self._path.with_name(f"{self._path.name}.{uuid.uuid4().hex}")
        try:
            renewed = self._object.facts().modified
            probe.write_bytes(b"")
            now = probe.writable.facts().modified
        except FileNotFoundError:
            return 0.0
        finally:
            probe.unlink(missing_ok=True)
        return 0.0 if now is None or renewed is None else (now - renewed).total_seconds()

    def _content(self) -> bytes:
        # Other than any before, so that the version changes with each renewal.
        return json.dumps({**self._holder, _MARK: uuid.uuid4().hex}).encode()

    def keep_renewing(self) -> None:
        while not self.ended.wait(RENEWAL):
            try:
                assert self._version is not None
                version = self._object.update(self._content(), self._version)
                if version is None and (own := self._own_version()) is not None:
                    # An earlier try had arrived, and only its answer got lost.
                    version = self._object.update(self._content(), own)
            except (AddressError, FileNotFoundError):
                # The network may come back before the lease ends.
                self._lost = time.monotonic() - self._renewed > LEASE
                continue
            if version is None:
                self._lost = True
                return
            self._version, self._renewed = version, time.monotonic()

    def check(self) -> None:
        if self._lost or time.monotonic() - self._renewed > LEASE:
            raise OutputError(
                "the lock of this run was lost: it was not renewed in time",
                self._path,
                "Check the network, and go on with `resume`.",
            )

    def give_back(self) -> None:
        """Delete the lock, unless it has become another's."""
        _LIVE.discard(self._id)
        if self._own_version() is not None:
            self._object.delete()

    def _own_version(self) -> Version | None:
        """Return the version of the lock, unless it has become another's."""
        with suppress(FileNotFoundError, ValueError):
            content, version = self._object.read_with_version()
            holder = json.loads(content)
            if isinstance(holder, dict) and holder.get(_LEASE_ID) == self._id:
                return version
        return None


def _is_gone(holder: object) -> bool:
    """Tell whether a holder was a process of this machine that runs no more."""
    if not isinstance(holder, dict) or holder.get("host") != socket.gethostname():
        return False
    pid, started = holder.get("pid"), holder.get(_STARTED)
    if not isinstance(pid, int) or not isinstance(started, int | float):
        return False
    if pid == os.getpid():
        # Left behind where the server was gone before the run ended.
        return holder.get(_LEASE_ID) not in _LIVE
    try:
        return bool(abs(psutil.Process(pid).create_time() - started) > 1)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
