"""Atomic writing of files, and translation of file-system errors."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wsiseg.error_translation import reason
from wsiseg.errors import OutputError, WsisegError
from wsiseg.remote.addresses import is_remote, url_or_path
from wsiseg.remote.remote_path import RemotePath
from wsiseg.text import dump_json
from wsiseg.wording import name_options_in

Json = dict[str, object]

_FULL = frozenset(
    number for name in ("ENOSPC", "EDQUOT") if (number := getattr(errno, name, None)) is not None
)

UNFINISHED = ".partial"
"""Suffix of a file name until the file is complete."""


@contextmanager
def translate_write_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system, and of libraries that write, into :class:`OutputError`.

    Parameters
    ----------
    path : Path
        What is written, for the message.

    Raises
    ------
    OutputError
        If anything but a WsisegError was raised.
    """
    try:
        yield
    except WsisegError:
        raise
    except Exception as error:
        where = getattr(error, "filename", None) or path
        full = isinstance(error, OSError) and error.errno in _FULL
        hint = "Free some space there." if full else None
        raise OutputError(f"writing failed: {reason(error)}", where, hint) from error


def free_bytes(folder: Path) -> int | None:
    """Return the free disk space for files in a folder; None if that cannot be known.

    Parameters
    ----------
    folder : Path
        It, or a folder above it, exists.
    """
    if is_remote(folder):
        return None
    for place in (folder, *folder.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except (OSError, TypeError):
            return None
    return None


def occupied_bytes(folder: Path) -> int:
    """Return the bytes of all files in a folder and the folders in it; 0 if there is none."""
    found = 0
    for base, _, names in os.walk(folder):
        for name in names:
            # What another process removes this moment takes nothing.
            with suppress(OSError):
                found += os.lstat(os.path.join(base, name)).st_size  # noqa: PTH118
    return found


@contextmanager
def replace_when_complete(path: Path) -> Iterator[Path]:
    """Let a file be written under another name, and give it its own at the end.

    Parameters
    ----------
    path : Path
        The file; an existing one is replaced.

    Yields
    ------
    Path
        Where to write.  If anything is raised, it is removed, and the file stays as it was.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    refuse_address(path)
    unfinished = path.with_name(path.name + UNFINISHED)
    with translate_write_errors(path):
        try:
            yield unfinished
            unfinished.replace(path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise


@contextmanager
def replace_folder_when_complete(path: Path) -> Iterator[Path]:
    """Give a new folder that takes the place of another once it is complete.

    Parameters
    ----------
    path : Path
        The folder; an existing one is replaced, its parents are created.

    Yields
    ------
    Path
        Where to write.  If anything is raised, it is removed, and the folder stays as it was.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    refuse_address(path)
    # Training passes over names that begin with a dot.
    unfinished, retired = (path.with_name(f".{path.name}.{end}") for end in ("partial", "old"))
    with translate_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            yield unfinished
            if path.exists():
                _exchange(path, unfinished, retired)
            else:
                unfinished.rename(path)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _exchange(path: Path, successor: Path, retired: Path) -> None:
    shutil.rmtree(retired, ignore_errors=True)
    path.rename(retired)
    try:
        successor.rename(path)
    except BaseException:
        retired.rename(path)
        raise
    shutil.rmtree(retired, ignore_errors=True)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file atomically: it appears complete or not at all.

    Parameters
    ----------
    path : Path
        The file; an existing one is replaced.
    text : str
        Written as UTF-8 with line feeds.  Behind an address it is one object, written at once.

    Raises
    ------
    OutputError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder, "a.txt"), "gland")
    ...     [path.name for path in Path(folder).iterdir()]
    ['a.txt']
    """
    if isinstance(path, RemotePath):
        with translate_write_errors(path):
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return
    with replace_when_complete(path) as unfinished:
        # Undecodable bytes of a file name are written as the bytes that they are.
        unfinished.write_text(text, encoding="utf-8", errors="surrogateescape", newline="\n")


def remove_tree(folder: Path) -> None:
    """Remove a folder that exists and all in it, or every object whose name begins with it.

    Parameters
    ----------
    folder : Path
        The folder.
    """
    if isinstance(folder, RemotePath):
        folder.remove_tree()
    else:
        shutil.rmtree(folder)


def set_aside(path: Path, aside: Path) -> None:
    """Give a file another name, in the same folder.

    Parameters
    ----------
    path, aside : Path
        The file, and its other name; a file of that name is replaced.

    Raises
    ------
    OutputError
        If that cannot be done.
    """
    with translate_write_errors(aside):
        if isinstance(path, RemotePath) and isinstance(aside, RemotePath):
            path.copy_to(aside)
            path.unlink()
        else:
            path.replace(aside)


def refuse_address(path: Path) -> None:
    """Refuse to write to an address what only goes to files of this machine.

    Parameters
    ----------
    path : Path
        The file or folder.

    Raises
    ------
    OutputError
        If it is an address: there is no renaming there, by which files appear complete.
    """
    if is_remote(path):
        raise OutputError(
            "this can only be written to local files",
            url_or_path(path),
            "Name a file, and copy it from there.",
        )


def write_json(path: Path, content: object) -> None:
    """Write a JSON file atomically, see :func:`write_atomically`.

    Errors and warnings in it name options where the command line writes it.

    Parameters
    ----------
    path : Path
        The file; an existing one is replaced.
    content : object
        What :mod:`json` takes.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_atomically(path, dump_json(name_options_in(content), indent=2) + "\n")
