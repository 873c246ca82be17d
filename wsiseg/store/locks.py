"""One holder per output: a lock of the operating system, which ends with the process that holds it.

The lock's file says who holds it, and goes when the holder ends.  It is removed while the lock is
still held: whoever opened it meanwhile finds that it has no name any more, and looks again.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from wsiseg.errors import OutputHeldError
from wsiseg.store.disk import translate_write_errors

_TIMEOUT = 0.2
"""Seconds; long enough for a file that is removed this moment."""

_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What a file system answers that has no locks, as some network mounts."""


@contextmanager
def hold_lock(
    path: Path, warn: Callable[[str], None], *, timeout: float = _TIMEOUT
) -> Iterator[None]:
    """Hold a lock, or raise at once if another process or thread does.

    Parameters
    ----------
    path : Path
        The lock's file, in a folder that exists.
    warn : callable
        Told if the file system has no locks; the work goes on without.
    timeout : float
        Seconds to wait for another holder.

    Raises
    ------
    OutputHeldError
        If another one holds it; says who.
    OutputError
        If the lock's file cannot be written.
    """
    # A file that says "locked" by being there would outlive a process that is killed.
    lock = FileLock(path, timeout=timeout, thread_local=False, fallback_to_soft=False)
    if not _acquire(lock, path):
        warn(f"the file system of {path.parent} has no locks; begin no second run there")
        yield
        return
    number = _write_holder(path)
    try:
        yield
    finally:
        # Whoever removed the file by hand has made room for another holder's.
        with suppress(OSError):
            if path.stat().st_ino == number:
                path.unlink()
        lock.release()


def _acquire(lock: BaseFileLock, path: Path) -> bool:
    """Acquire a lock; False if there are none."""
    with translate_write_errors(path):
        try:
            lock.acquire()
        except Timeout as error:
            raise OutputHeldError(
                f"another run writes here: {_read_holder(path)}",
                path,
                "Wait until it ends, or choose another `output`.",
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            path.unlink(missing_ok=True)
            return False
    return True


def _write_holder(path: Path) -> int | None:
    """Say who holds the lock; return the number of its file."""
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # Where a lock keeps its holder from writing, too, as on Windows, nobody is told who it is.
    with suppress(OSError):
        path.write_text(json.dumps(holder), encoding="utf-8")
        return path.stat().st_ino
    return None


def _read_holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, ValueError, LookupError, TypeError):
        return "it has not said yet who it is"
