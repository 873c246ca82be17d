"""Locks: one run per output, by a lock of the operating system that ends with the process.

The lock file says who holds the lock, and is removed at the end, while the lock is still held:
whoever opened it meanwhile finds that it has no name any more, and tries again.  Behind addresses
a lock is an object, see :mod:`wsiseg.store.leases`.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from wsiseg.errors import OutputHeldError
from wsiseg.remote.remote_path import RemotePath, as_place
from wsiseg.store.disk import translate_write_errors
from wsiseg.store.holders import describe_holder, read_holder, this_holder
from wsiseg.store.leases import hold_lease

_TIMEOUT = 0.2
"""Seconds; long enough for a file that is removed this moment."""

_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What a file system answers that has no locks, as some network mounts."""


@contextmanager
def hold_lock(
    path: Path, warn: Callable[[str], None], *, timeout: float = _TIMEOUT
) -> Iterator[Callable[[], None]]:
    """Hold a lock, or raise if another process or thread holds it.

    Parameters
    ----------
    path : Path
        The lock file, in an existing folder.
    warn : callable
        Called with a sentence if the file system has no locks; the work continues without.
    timeout : float
        Seconds to wait for the holder.

    Yields
    ------
    callable
        Raises OutputError if the lock was lost, which happens behind addresses alone.

    Raises
    ------
    OutputHeldError
        If another one holds it; names the process.
    OutputError
        If the lock file cannot be written.
    """
    path = as_place(path)
    if isinstance(path, RemotePath):
        with hold_lease(path, warn, timeout=timeout) as check:
            yield check
        return
    # A file that says "locked" by being there would outlive a process that is killed.
    lock = FileLock(path, timeout=timeout, thread_local=False, fallback_to_soft=False)
    if not _acquire(lock, path):
        warn(f"the file system of {path.parent} has no locks; start no second run there")
        yield _still_held
        return
    number = _write_holder(path)
    try:
        yield _still_held
    finally:
        # Whoever removed the file by hand has made room for another holder's.
        with suppress(OSError):
            if path.stat().st_ino == number:
                path.unlink()
        lock.release()


def is_held(path: Path) -> bool:
    """Tell whether another process or thread holds a lock this moment.

    Parameters
    ----------
    path : Path
        The lock file; where there is none, or the file system has no locks, nobody holds it.
    """
    if not path.exists():
        return False
    try:
        with hold_lock(path, lambda _: None, timeout=0):
            return False
    except OutputHeldError:
        return True


def _still_held() -> None:
    """Do nothing: a lock of the operating system ends with its process alone."""


def _acquire(lock: BaseFileLock, path: Path) -> bool:
    """Acquire a lock; False if there are none."""
    with translate_write_errors(path):
        try:
            lock.acquire()
        except Timeout as error:
            raise OutputHeldError(
                f"another run is writing this output: {describe_holder(read_holder(path))}",
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
    # Where a lock keeps its holder from writing, too, as on Windows, nobody is told who it is.
    with suppress(OSError):
        path.write_text(json.dumps(this_holder()), encoding="utf-8")
        return path.stat().st_ino
    return None
