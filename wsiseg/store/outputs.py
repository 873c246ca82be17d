"""The output files of a slide: their names, and what exists of them."""

from __future__ import annotations

import json
import os
import tempfile
import unicodedata
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from wsiseg.errors import OutputError, OutputExistsError
from wsiseg.remote.addresses import is_remote
from wsiseg.remote.remote_path import RemotePath, as_place
from wsiseg.store.disk import UNFINISHED, remove_tree, translate_write_errors
from wsiseg.store.journal import remove_journal
from wsiseg.store.metadata import LABELS, MASK, PAINTED

STORE, PROBABILITIES, UNCERTAINTY = ".ome.zarr", ".probabilities.ome.zarr", ".uncertainty.ome.zarr"
"""Endings of the stores of masks, of probabilities and of uncertainty."""

COMPANIONS = (PROBABILITIES, UNCERTAINTY)
"""Endings of what may stand beside a mask."""

_NAME_BYTES = 255
_KEY_BYTES = 1024
"""Of the whole name of an object."""

_TRIAL = ".wsiseg-trial-"


@dataclass(frozen=True)
class OutputFiles:
    """Paths of the output files of one slide.

    Attributes
    ----------
    folder : Path
        The output folder.
    name : str
        The slide's name without ending.
    with_image : bool
        Whether the store holds the slide's image with the mask inside.

    Examples
    --------
    >>> files = OutputFiles(Path("out"), "biopsy")
    >>> files.mask.as_posix(), files.run.name
    ('out/biopsy.ome.zarr', 'biopsy.run.json')
    """

    folder: Path
    name: str
    with_image: bool = False

    def __post_init__(self) -> None:
        # Whoever hands in an address as a plain path gets what can be written to.
        object.__setattr__(self, "folder", as_place(self.folder))

    @property
    def store(self) -> Path:
        """The store that users open."""
        return self.folder / f"{self.name}{STORE}"

    @property
    def mask(self) -> Path:
        """The mask: the store itself, or a label image inside."""
        return self.store / LABELS / MASK if self.with_image else self.store

    @property
    def probabilities(self) -> Path:
        """The store of probabilities."""
        return self.folder / f"{self.name}{PROBABILITIES}"

    @property
    def uncertainty(self) -> Path:
        """The store of uncertainty."""
        return self.folder / f"{self.name}{UNCERTAINTY}"

    @property
    def stores(self) -> tuple[Path, ...]:
        """All stores that a run may leave."""
        return (self.store, self.probabilities, self.uncertainty)

    @property
    def tiles(self) -> Path:
        """The table of tiles, a row each."""
        return self.folder / f"{self.name}.tiles.csv"

    @property
    def run(self) -> Path:
        """The run file: settings, versions, hardware, totals."""
        return self.folder / f"{self.name}.run.json"

    @property
    def journal(self) -> Path:
        """The journal of an unfinished run."""
        return self.folder / f"{self.name}.journal"

    @property
    def lock(self) -> Path:
        """The lock file of the run that writes these files."""
        return self.folder / f"{self.name}.lock"

    @property
    def finished(self) -> bool:
        """Whether a finished mask exists."""
        return self.run.is_file() and (self.store / "zarr.json").is_file()

    def check_name(self) -> None:
        """Refuse a slide name that is too long for the file system; nothing is created.

        Raises
        ------
        OutputError
            If it is.
        """
        written = (self.tiles.name + UNFINISHED, self.run.name + UNFINISHED)
        size = max(len(os.fsencode(name)) for name in (self.probabilities.name, *written))
        longest = _longest_name(self.folder)
        if size > longest:
            raise OutputError(
                f"the slide's name is too long: its files would have names of {size} bytes, "
                f"{longest} are possible",
                self.name,
                "Give the slide a shorter name.",
            )

    @property
    def existing(self) -> Path | None:
        """The first of these files that exists, finished or not; None if none does."""
        every = (*self.stores, self.journal, self.run, self.tiles)
        return next((path for path in every if path.exists()), None)

    def mark_unfinished(self) -> None:
        """Remove the run file and the metadata of a finished mask; its arrays stay."""
        groups = (self.mask, *self.stores)
        with translate_write_errors(self.folder):
            for path in (self.run, *(group / "zarr.json" for group in groups)):
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all of these files that exist.

        Raises
        ------
        OutputExistsError
            If a folder in the way was not written by this package; nothing is removed then.
        """
        stores = [path for path in self.stores if path.exists()]
        for path in stores:
            if not (self.journal.exists() or _has_run(self.run) or is_ours(path)):
                raise OutputExistsError(
                    "the output already exists and was not written by wsiseg",
                    path,
                    "Choose another `output`.",
                )
        with translate_write_errors(self.folder):
            for path in stores:
                remove_tree(path)
            for path in (self.tiles, self.run):
                path.unlink(missing_ok=True)
            remove_journal(self.journal)


@contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Create a folder and check that it is writable, as a context manager.

    At the end, folders that were created and are still empty are removed.

    Parameters
    ----------
    folder : Path
        The folder; its parents are created, too.

    Raises
    ------
    OutputError
        If a file is in the way, or nothing can be written there.
    """
    folder = as_place(folder)
    if isinstance(folder, RemotePath):
        _try_bucket(folder)
        yield
        return
    above = (folder.absolute(), *folder.absolute().parents)
    try:
        missing = [path for path in above if not path.exists()]
        standing = above[len(missing)]
        if not standing.is_dir():
            raise OutputError(
                "the output is a file, not a folder", standing, "Choose another `output`."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Rights alone do not tell: a disk may be mounted for reading only.
            # Without a name, where there are such files, so that no kill leaves it.
            with tempfile.TemporaryFile(prefix=_TRIAL, dir=folder):
                pass
        except OSError as error:
            raise OutputError(
                f"the output folder is not writable: {error.strerror or error}",
                folder,
                "Choose another `output`.",
            ) from error
        yield
    finally:
        with suppress(OSError):
            # The first that holds anything ends it.
            for path in missing:
                path.rmdir()


def _try_bucket(folder: RemotePath) -> None:
    """Check that objects can be written, and deleted: a run that is resumed needs both."""
    with translate_write_errors(folder):
        # That addresses of this kind are written to, and this one names a bucket.
        _ = folder.writable
        trial = folder / f"{_TRIAL}{uuid.uuid4().hex}"
        trial.write_bytes(b"")
        trial.unlink(missing_ok=True)


def mask_beside(path: Path) -> Path | None:
    """Return the mask beside which a store of probabilities, or of uncertainty, stands.

    Parameters
    ----------
    path : Path
        The store; its name tells.

    Returns
    -------
    Path or None
        None if it is no such store.

    Examples
    --------
    >>> mask_beside(Path("out/biopsy.uncertainty.ome.zarr")).name
    'biopsy.ome.zarr'
    """
    ending = next((each for each in COMPANIONS if path.name.endswith(each)), None)
    return None if ending is None else path.with_name(path.name.removesuffix(ending) + STORE)


def name_key(names: Collection[str], folder: Path) -> Callable[[str], str]:
    """Return what tells names of files apart in a folder, which may take ``a`` and ``A`` for one.

    Parameters
    ----------
    names : collection of str
        Names of different things.
    folder : Path
        Where they are to lie; may not exist yet, and then tells all names apart.

    Returns
    -------
    callable
        Gives the same for names that are one.
    """
    # A file is written to find out about the folder, which a kill might leave.
    alike = len(set(map(_fold, names))) < len(set(names))
    return _fold if alike and folder.is_dir() and is_case_insensitive(folder) else str


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def is_case_insensitive(folder: Path) -> bool:
    """Tell whether the file system takes ``a`` and ``A`` for the same name."""
    if is_remote(folder):
        return False
    with (
        translate_write_errors(folder),
        tempfile.NamedTemporaryFile(prefix=_TRIAL, dir=folder) as trial,
    ):
        made = Path(trial.name)
        return made.with_name(made.name.upper()).exists()


def _longest_name(folder: Path) -> int:
    """Return how many bytes the name of a file may have."""
    if isinstance(folder, RemotePath):
        return _KEY_BYTES - len(folder.url.encode("utf-8", "surrogateescape"))
    if not hasattr(os, "pathconf"):
        return _NAME_BYTES
    standing = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    return os.pathconf(standing, "PC_NAME_MAX")


def is_ours(store: Path) -> bool:
    """Tell whether this package made a store; what somebody painted is nobody's to replace.

    Parameters
    ----------
    store : Path
        The folder.
    """
    try:
        group = json.loads((store / "zarr.json").read_text(encoding="utf-8"))
        return PAINTED not in group["attributes"]["wsiseg"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


def _has_run(file: Path) -> bool:
    """Tell whether a run of ours wrote a run file."""
    try:
        return "identity" in json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False
