"""Finding the slides in files, folders and URLs.

Whether a file may be a slide is told by its ending here, and by its content when it is opened.
What makes up one slide together, a MIRAX or a DICOM series for instance, is found once.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wsiseg.error_translation import translate_errors
from wsiseg.errors import SlideError, SlideNotFoundError
from wsiseg.remote.addresses import is_remote
from wsiseg.remote.remote_path import as_place
from wsiseg.tiling.slides.own_stores import OURS
from wsiseg.tiling.slides.readers import is_slide_folder

SLIDE_ENDINGS = frozenset(
    (
        *(".svs", ".tif", ".tiff", ".btf", ".tf2", ".tf8", ".qptiff", ".ndpi", ".vms", ".vmu"),
        *(".scn", ".mrxs", ".svslide", ".bif", ".czi", ".dcm", ".vsi"),
        *(".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".gif", ".webp", ".jp2", ".j2k", ".avif"),
        *(".ppm", ".pgm", ".pnm"),
    )
)
"""Endings of what may be a slide, small."""

_SYSTEMS_OWN = {"thumbs.db", "desktop.ini", "@eadir", "__macosx", "$recycle.bin", "lost+found"}
_LISTS_PARTS = {".vms", ".vmu"}
_LIST_BYTES = 2**18
_SHOWN = 3

_OTHER = "file", "that is no slide", "that are no slides"
_STORE = "store", "that is no slide but a mask, say", "that are no slides but masks, say"
_FOLDER = "folder", "(`recursive` looks into it)", "(`recursive` looks into them)"
_LOCKED = "folder", "that cannot be read", "that cannot be read"

Kind = tuple[str, str, str]
"""What a thing is, and what is to be said of one and of several."""


@dataclass(frozen=True)
class FoundSlides:
    """The slides that were found.

    Attributes
    ----------
    slides : tuple of Path
        Each of them once; those of a folder in natural order.
    skipped : tuple of (Kind, Path)
        Entries of the folders that are no slides, and of what kind they are.
    """

    slides: tuple[Path, ...]
    skipped: tuple[tuple[Kind, Path], ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """A line about what was skipped, for each kind."""
        kinds = dict.fromkeys(kind for kind, _ in self.skipped)
        return tuple(
            _summary(kind, [path.name for each, path in self.skipped if each == kind])
            for kind in kinds
        )


def find_slides(
    paths: Iterable[Path], *, recursive: bool = False, exclude: Sequence[Path] = ()
) -> FoundSlides:
    """Return the slides that files, folders and URLs stand for.

    Parameters
    ----------
    paths : iterable of Path
        Files and URLs are taken as they are.  So is a folder that is itself a slide, an OME-Zarr
        image or a DICOM series; of any other folder the slides in it.  A name with ``*``, ``?`` or
        ``[…]`` that no file has stands for all that fit it, ``**`` for any folders in between.
    recursive : bool
        Search the folders in a folder as well.
    exclude : sequence of Path
        Folders that are not searched: those that masks are written to.

    Returns
    -------
    FoundSlides
        The slides, and what was skipped.

    Raises
    ------
    SlideNotFoundError
        If a folder holds no slide, or nothing fits a pattern.
    SlideError
        If a folder cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = pathlib.Path(name)
    ...     for file in ("b10.svs", "b9.svs", "notes.txt"):
    ...         (folder / file).touch()
    ...     found = find_slides([folder])
    >>> [path.name for path in found.slides]
    ['b9.svs', 'b10.svs']
    >>> found.notes
    ('passed over 1 file that is no slide: notes.txt',)
    """
    search = _Search(recursive, {path.resolve() for path in exclude})
    for path in paths:
        if _is_pattern(path):
            search.take_fitting(path)
            continue
        if is_remote(path) or not _is_folder(path) or _is_one_slide(path):
            search.take(as_place(path))
            continue
        before, skipped = search.met, len(search.skipped)
        search.search_folder(path, top=True)
        if search.met == before:
            held = FoundSlides((), tuple(search.skipped[skipped:])).notes
            hint = " ".join(f"{note[0].upper()}{note[1:]}." for note in held) or "It is empty."
            raise SlideNotFoundError("there is no slide in the folder", path, hint)
    return FoundSlides(tuple(search.slides), tuple(search.skipped))


class _Search:
    """Slides as they are met, each of them once."""

    def __init__(self, recursive: bool, exclude: set[Path]) -> None:
        self.recursive = recursive
        self.exclude = exclude
        self.slides: list[Path] = []
        self.skipped: list[tuple[Kind, Path]] = []
        self.met = 0
        self._seen: set[object] = set()
        self._entered: set[tuple[int, int]] = set()

    def take(self, path: Path) -> None:
        """Take a slide, unless it has been taken under whatever name."""
        self.met += 1
        key = str(path) if is_remote(path) else path.resolve()
        if key not in self._seen:
            self._seen.add(key)
            self.slides.append(path)

    def take_fitting(self, pattern: Path) -> None:
        """Take the slides that fit a pattern, which not every shell expands."""
        with translate_errors(
            lambda why: SlideError(f"the pattern cannot be used: {why}", pattern)
        ):
            found = [Path(each) for each in glob.glob(str(pattern), recursive=True)]  # noqa: PTH207
        entries = sorted(found, key=_path_key)
        before, skipped = self.met, len(self.skipped)
        self._meet_all(entries, enter=True)
        if self.met == before:
            notes = FoundSlides((), tuple(self.skipped[skipped:])).notes
            hint = " ".join(f"{note[0].upper()}{note[1:]}." for note in notes) or None
            raise SlideNotFoundError("no slide matches the pattern", pattern, hint)

    def search_folder(self, folder: Path, *, top: bool = False) -> None:
        """Take the slides of a folder, and pass over the rest."""
        with translate_errors(lambda why: SlideError(f"the folder cannot be read: {why}", folder)):
            status = folder.stat()
            entries = sorted(folder.iterdir(), key=natural_key)
        # A link may lead back to where the search has come from.
        here = status.st_dev, status.st_ino
        if here in self._entered and not top:
            return
        self._entered.add(here)
        self._meet_all(entries)

    def _meet_all(self, entries: Sequence[Path], *, enter: bool = False) -> None:
        """Take the slides among some entries; `enter` looks into folders in any case."""
        entries = [entry for entry in entries if not _is_hidden(entry)]
        parts = _parts(entries)
        for entry in entries:
            if entry.name in parts:
                continue
            if _is_folder(entry):
                self._meet_folder(entry, enter=enter)
            elif entry.suffix.lower() in SLIDE_ENDINGS and entry.is_file():
                self.take(entry)
            else:
                self.skipped.append((_OTHER, entry))

    def _meet_folder(self, folder: Path, *, enter: bool) -> None:
        if folder.resolve() in self.exclude:
            return
        if _is_store(folder):
            if not _is_ours(folder) and is_slide_folder(folder):
                self.take(folder)
            else:
                self.skipped.append((_STORE, folder))
        elif _is_one_slide(folder):
            self.take(folder)
        elif not (self.recursive or enter):
            self.skipped.append((_FOLDER, folder))
        else:
            try:
                self.search_folder(folder)
            except SlideError:
                self.skipped.append((_LOCKED, folder))


def _is_pattern(path: Path) -> bool:
    """Tell whether a name stands for all that fit it; what there is of that name is itself."""
    if is_remote(path) or not glob.has_magic(str(path)) or os.path.lexists(path):
        return False
    # A name with brackets alone may be a slide that is missing, which is its own failure.
    return any(sign in str(path) for sign in "*?") or bool(glob.glob(str(path)))  # noqa: PTH207


def _is_folder(path: Path) -> bool:
    with translate_errors(lambda why: SlideError(f"the path cannot be accessed: {why}", path)):
        return path.is_dir()


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _SYSTEMS_OWN


def _is_store(folder: Path) -> bool:
    names = ("zarr.json", ".zgroup", ".zattrs")
    return folder.name.lower().endswith(".zarr") or any((folder / n).is_file() for n in names)


def _is_ours(store: Path) -> bool:
    """Tell whether a store was written by this package, with a mask inside."""
    try:
        return f'"{OURS}"' in (store / "zarr.json").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _is_one_slide(folder: Path) -> bool:
    """Tell whether a folder is a slide as a whole: a store, or a DICOM series and nothing else."""
    if _is_store(folder):
        return is_slide_folder(folder)
    with translate_errors(lambda why: SlideError(f"the folder cannot be read: {why}", folder)):
        files = [entry for entry in folder.iterdir() if not _is_hidden(entry) and entry.is_file()]
    endings = {file.suffix.lower() for file in files}
    return bool(files) and not (endings & SLIDE_ENDINGS - {".dcm"}) and is_slide_folder(folder)


def _parts(entries: Sequence[Path]) -> set[str]:
    """Return the names of what belongs to another slide in the same folder."""
    parts: set[str] = set()
    names = {entry.name.lower(): entry.name for entry in entries}
    for entry in entries:
        ending = entry.suffix.lower()
        if ending == ".mrxs":
            parts.add(entry.stem)
        elif ending == ".vsi":
            parts.add(f"_{entry.stem}_")
        elif ending in _LISTS_PARTS:
            parts |= {names[name] for name in _listed(entry) if name in names} - {entry.name}
    return parts


def _listed(path: Path) -> Iterator[str]:
    """Yield the names of files, small, that a Hamamatsu VMS or VMU says it is made of."""
    try:
        with path.open("rb") as file:
            text = file.read(_LIST_BYTES).decode("utf-8", "replace")
    except OSError:
        # What is wrong with it will be said when it is opened.
        return
    for line in text.splitlines():
        _, equals, name = line.partition("=")
        if equals:
            yield os.path.basename(name.strip().replace("\\", "/")).lower()  # noqa: PTH119


def natural_key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Return what sorts names as people do: slide 2 before slide 10."""
    pieces = re.split(r"([0-9]+)", path.name.casefold())
    key = [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in pieces if p]
    return key, path.name


def _path_key(path: Path) -> list[tuple[list[tuple[int, int, str]], str]]:
    return [natural_key(Path(part)) for part in path.parts]


def _summary(kind: Kind, names: Sequence[str]) -> str:
    thing, one, several = kind
    what = f"1 {thing} {one}" if len(names) == 1 else f"{len(names)} {thing}s {several}"
    listed = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return f"passed over {what}: {listed}"
