"""Paths that stand for addresses, and do with objects what paths do with files."""

from __future__ import annotations

import errno
import fnmatch
import io
import os
import stat
import sys
from collections.abc import Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from wsiseg.errors import AddressError
from wsiseg.remote.addresses import OBJECT_STORES, is_remote, mask, restore
from wsiseg.remote.objects import ReadableObject, WritableObject, find_object
from wsiseg.remote.reading import RemoteFile

if sys.platform == "win32":
    from pathlib import WindowsPath as _Native
else:
    from pathlib import PosixPath as _Native


class RemotePath(_Native):
    """A path that stands for an address.

    It prints as the address, without passwords and queries.  There are no folders: what is below a
    name makes it one, and nothing has to be made for it.  Renaming and appending do not exist.

    Examples
    --------
    >>> path = RemotePath("s3://bucket/out") / "biopsy.run.json"
    >>> print(path, path.name)
    s3://bucket/out/biopsy.run.json biopsy.run.json
    >>> print(RemotePath("https://me:secret@host/a.svs?token=1").with_suffix(".json"))
    https://host/a.json
    """

    @property
    def url(self) -> str:
        """The address, with all that is secret in it."""
        return restore(super().__str__().replace("\\", "/"))

    @property
    def object(self) -> WritableObject | ReadableObject:
        """The object behind the address."""
        return find_object(self.url)

    @property
    def writable(self) -> WritableObject:
        """The object, to write to.

        Raises
        ------
        AddressError
            If nothing is written to such addresses.
        """
        scheme = self.url.partition("://")[0]
        if scheme not in OBJECT_STORES:
            raise AddressError(
                f"nothing is written to {scheme}:// addresses",
                str(self),
                "Masks go to a folder, or to s3://, gs:// or az://.",
            )
        return WritableObject(self.url)

    @property
    def name(self) -> str:
        """The last part, without a query, which the keys of S3 and Google do not have."""
        key = OBJECT_STORES.get(self.url.partition("://")[0]) in ("s3", "gs")
        return super().name if key else super().name.partition("?")[0]

    def __str__(self) -> str:
        return mask(self.url)

    def as_posix(self) -> str:
        """Return the address as it is printed."""
        return str(self)

    def __fspath__(self) -> str:
        # Whatever opens files of this machine is not to find one by accident.
        return str(self)

    def absolute(self) -> RemotePath:
        """Return the path itself."""
        return self

    def resolve(self, strict: bool = False) -> RemotePath:
        """Return the path itself."""
        return self

    def expanduser(self) -> RemotePath:
        """Return the path itself."""
        return self

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return the size of an object; of a folder, that it is one."""
        try:
            size, mode = self.object.facts().size, stat.S_IFREG
        except FileNotFoundError:
            if not self.is_dir():
                raise
            size, mode = 0, stat.S_IFDIR
        return os.stat_result((mode | 0o644, 0, 0, 1, 0, 0, size, 0, 0, 0))

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether there is an object, or one below."""
        return self.is_file() or self.is_dir()

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether there is an object of this name."""
        try:
            self.object.facts()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether there are objects below."""
        found = self.object
        return isinstance(found, WritableObject) and found.has_below()

    def is_symlink(self) -> bool:
        """Return False."""
        return False

    def iterdir(self) -> Generator[RemotePath, None, None]:
        """Yield what is right below."""
        for name in self.writable.children():
            yield self / name

    def glob(self, pattern: str, **_: Any) -> Iterator[RemotePath]:  # type: ignore[override]
        """Yield what is below whose names match; a star stays within one part.

        Folders are found right below alone.
        """
        parts = pattern.split("/")
        if len(parts) == 1:
            names = self.writable.children()
            yield from (self / name for name in names if fnmatch.fnmatchcase(name, pattern))
            return
        for name, _size in self.writable.below():
            found = name.split("/")
            if len(found) == len(parts) and all(map(fnmatch.fnmatchcase, found, parts)):
                yield self / name

    def files_below(self) -> dict[str, int]:
        """Return the sizes of all objects below, by their names from here on."""
        return dict(self.writable.below())

    def open(  # type: ignore[override]
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """Open the object for reading.

        Parameters
        ----------
        mode : {"r", "rb"}
            Text or bytes.
        buffering : int
            Of no meaning.
        encoding, errors, newline : str, optional
            Of text, as :func:`open` takes them; UTF-8 if left out.
        """
        if mode not in ("r", "rb"):
            raise io.UnsupportedOperation(f"{self} is only opened to be read")
        opened = RemoteFile(self.url)
        if mode == "rb":
            return cast("IO[Any]", opened)
        return io.TextIOWrapper(cast("IO[bytes]", opened), encoding or "utf-8", errors, newline)

    def read_bytes(self) -> bytes:
        """Return the object's content."""
        return self.object.read_all()

    def read_text(self, encoding: str | None = None, errors: str | None = None, **_: Any) -> str:
        """Return the object's content as text.

        Parameters
        ----------
        encoding, errors : str, optional
            As :meth:`bytes.decode` takes them; UTF-8 if left out.
        """
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def write_bytes(self, data: Any) -> int:
        """Write the object: it appears whole or not at all."""
        self.writable.write(bytes(data))
        return len(data)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the object."""
        if not missing_ok and not self.is_file():
            raise FileNotFoundError(errno.ENOENT, "there is no such file", str(self))
        self.writable.delete()

    def remove_tree(self) -> None:
        """Delete every object below."""
        self.writable.delete_below()

    def copy_to(self, target: RemotePath) -> None:
        """Copy the object within its bucket."""
        self.writable.copy_to(target.writable)

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Do nothing: names need no folder.

        Parameters
        ----------
        mode, parents, exist_ok
            Of no meaning.
        """

    def rmdir(self) -> None:
        """Do nothing: names have no folder."""


def as_place(path: Path | str) -> Path:
    """Return what a user has named: a path of this machine as it is, an address as one.

    Parameters
    ----------
    path : path-like
        Either; an address may have been a path before.

    Examples
    --------
    >>> print(as_place("s3://bucket/a.svs"), as_place(Path("a.svs")))
    s3://bucket/a.svs a.svs
    """
    if isinstance(path, RemotePath):
        return path
    plain = Path(path)
    return RemotePath(path) if is_remote(PurePosixPath(plain.as_posix())) else plain
