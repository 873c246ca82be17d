"""A project: the slides that are worked on one after the other, and what stands of each."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wsiseg.error_translation import translate_errors
from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.remote.addresses import is_remote
from wsiseg.segmentation.slide_lists import read_slide_list
from wsiseg.store.disk import write_atomically
from wsiseg.store.label_images import is_store
from wsiseg.store.outputs import OutputFiles, is_ours
from wsiseg.text import decode_text
from wsiseg.tiling.slides import find_slides, slide_name, url_or_path
from wsiseg.tiling.slides.files import sample_name
from wsiseg.training.datasets.pairing import DRAWINGS

ENDING = ".wsiseg.json"
"""What the file of a project ends in."""

_FORMAT = 1
_COHORT = {"slide", "status", "mask"}
"""Columns that tell the table of a cohort from a list of slides."""


@dataclass(frozen=True)
class ProjectSlide:
    """A slide of a project.

    Attributes
    ----------
    path : Path
        The slide.
    name : str
        What its masks are called.
    slide_mpp : float or None
        µm per pixel of its level 0, where the list says so.
    mask : Path or None
        Its mask, where the table of a cohort names one that is not in the folder of masks.
    reviewed : bool
        Whether somebody has looked through it.
    """

    path: Path
    name: str
    slide_mpp: float | None = None
    mask: Path | None = None
    reviewed: bool = False


@dataclass(frozen=True)
class SlideState:
    """What stands of a slide.

    Attributes
    ----------
    mask : Path or None
        Its finished mask.
    annotation : Path or None
        What was painted or drawn of it.
    reviewed : bool
        Whether somebody has looked through it.
    missing : bool
        Whether the slide is gone.
    """

    mask: Path | None
    annotation: Path | None
    reviewed: bool
    missing: bool = False

    def __str__(self) -> str:
        """Return it in words."""
        words = (
            ("missing", self.missing),
            ("segmented", self.mask is not None),
            ("annotated", self.annotation is not None),
            ("reviewed", self.reviewed),
        )
        return ", ".join(word for word, true in words if true) or "untouched"


@dataclass(frozen=True)
class Project:
    """The slides that are worked on, in their order.

    Attributes
    ----------
    slides : tuple of ProjectSlide
        At least one.
    masks : Path
        Folder of masks.
    annotations : Path or None
        Folder of annotations, if one is chosen.
    current : int
        The place of the slide that is shown.
    file : Path or None
        Where the project is kept.
    """

    slides: tuple[ProjectSlide, ...]
    masks: Path
    annotations: Path | None = None
    current: int = 0
    file: Path | None = field(default=None, compare=False)

    def states(self) -> list[SlideState]:
        """Return what stands of every slide, as the disk says now."""
        drawn = _annotations(self.annotations)
        return [self._state(slide, drawn) for slide in self.slides]

    def _state(self, slide: ProjectSlide, drawn: Mapping[str, Path]) -> SlideState:
        files = OutputFiles(self.masks, slide.name)
        found = slide.mask if slide.mask is not None and is_store(slide.mask) else None
        if found is None and files.finished and is_ours(files.store):
            found = files.store
        gone = not is_remote(slide.path) and not slide.path.exists()
        annotation = drawn.get(sample_name(slide.path.name))
        return SlideState(found, annotation, slide.reviewed, gone)

    def at(self, place: int) -> Project:
        """Return it with another slide shown."""
        return replace(self, current=place)

    def review(self, place: int, *, reviewed: bool) -> Project:
        """Return it with a slide looked through, or not.

        Parameters
        ----------
        place : int
            The place of the slide in the list.
        reviewed : bool
            Whether somebody has looked through it.
        """
        slides = list(self.slides)
        slides[place] = replace(slides[place], reviewed=reviewed)
        return replace(self, slides=tuple(slides))

    def save(self, path: Path) -> Project:
        """Write it to one file; paths below the file's folder are relative to it.

        Parameters
        ----------
        path : Path
            Ends in ``.wsiseg.json``.

        Raises
        ------
        ArgumentError
            If it ends otherwise.
        OutputError
            If it cannot be written.
        """
        if not path.name.endswith(ENDING):
            raise ArgumentError(f"the name of a project file has to end with {ENDING}", path)
        folder = path.absolute().parent
        slides = [
            {
                "slide": _written(slide.path, folder),
                "name": slide.name,
                "slide_mpp": slide.slide_mpp,
                "mask": None if slide.mask is None else _written(slide.mask, folder),
                "reviewed": slide.reviewed,
            }
            for slide in self.slides
        ]
        content = {
            "wsiseg_project": _FORMAT,
            "masks": _written(self.masks, folder),
            "annotations": None if self.annotations is None else _written(self.annotations, folder),
            "current": self.current,
            "slides": slides,
        }
        write_atomically(path, json.dumps(content, indent=2) + "\n")
        return replace(self, file=path)


def is_project(path: Path) -> bool:
    """Tell whether a path stands for several slides: a project, a list, or a folder of slides.

    Parameters
    ----------
    path : Path
        What ``wsiseg view`` is given.
    """
    if path.is_dir():
        return not is_store(path) and _holds_slides(path)
    return path.suffix.lower() == ".csv" or path.name.endswith(ENDING)


def open_project(path: Path) -> Project:
    """Return the project that a file keeps, or a new one of a list or a folder.

    Parameters
    ----------
    path : Path
        A project's file; a list as ``wsiseg segment --slides`` takes it; the ``cohort.csv`` that
        it leaves beside its masks; or a folder of slides.

    Raises
    ------
    SlideError, ArgumentError, DataSetError
        If it cannot be read, or names no slide.
    """
    if path.name.endswith(ENDING):
        return _read(path)
    if path.suffix.lower() == ".csv":
        slides = _cohort(path) or _list(path)
        return Project(slides, path.absolute().parent)
    found = find_slides([path]).slides
    return Project(tuple(ProjectSlide(each, slide_name(each)) for each in found), path)


def _holds_slides(path: Path) -> bool:
    # A folder that is one slide, a DICOM series for instance, stands for itself.
    return find_slides([path]).slides != (path,)


def _list(path: Path) -> tuple[ProjectSlide, ...]:
    return tuple(
        ProjectSlide(
            Path(each.slide),
            each.name,
            None if each.slide_mpp is None else float(each.slide_mpp),
        )
        for each in read_slide_list(path)
    )


def _cohort(path: Path) -> tuple[ProjectSlide, ...]:
    """Return the slides of a cohort's table; none if it is another table."""
    with translate_errors(lambda why: DataSetError(f"the table cannot be read: {why}", path)):
        rows = list(csv.DictReader(decode_text(path.read_bytes()).splitlines()))
    if not rows or not rows[0].keys() >= _COHORT:
        return ()
    found = []
    for row in rows:
        slide, mask = Path(row["slide"] or ""), row["mask"]
        slide = _beside(slide, path)
        store = _beside(Path(mask), path) if mask else None
        name = slide_name(slide) if store is None else slide_name(store)
        found.append(ProjectSlide(slide, name, None, store))
    return tuple(found)


def _beside(path: Path, table: Path) -> Path:
    """Return a path as a run noted it: from where it ran, or else from where its table lies."""
    if is_remote(path) or path.exists():
        return path
    places = (table.parent / path, table.parent.parent / path, table.parent / path.name)
    return next((place for place in places if place.exists()), path)


def _read(path: Path) -> Project:
    folder = path.absolute().parent
    with translate_errors(lambda why: DataSetError(f"the project cannot be read: {why}", path)):
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("wsiseg_project") != _FORMAT:
            message = "it is not a project of this version"
            raise ValueError(message)
        slides = tuple(
            ProjectSlide(
                _located(each["slide"], folder),
                str(each["name"]),
                each["slide_mpp"],
                None if each["mask"] is None else _located(each["mask"], folder),
                bool(each["reviewed"]),
            )
            for each in content["slides"]
        )
        drawn = content["annotations"]
        current = min(max(0, int(content["current"])), len(slides) - 1)
        project = Project(
            slides,
            _located(content["masks"], folder),
            None if drawn is None else _located(drawn, folder),
            current,
            path,
        )
    if not slides:
        raise DataSetError("the project names no slide", path)
    return project


def _written(path: Path, folder: Path) -> str:
    if is_remote(path):
        return url_or_path(path)
    whole = Path(os.path.abspath(path))  # noqa: PTH100, as links stay links
    return (whole.relative_to(folder) if whole.is_relative_to(folder) else whole).as_posix()


def _located(text: str, folder: Path) -> Path:
    path = Path(text)
    return path if is_remote(path) else folder / path


def _annotations(folder: Path | None) -> dict[str, Path]:
    """Return annotations by the names of their slides; a mask of a run is none."""
    if folder is None or not folder.is_dir():
        return {}
    entries: Sequence[Path] = sorted(folder.iterdir())
    return {sample_name(path.name): path for path in entries if _is_annotation(path)}


def _is_annotation(path: Path) -> bool:
    if path.name.startswith(".") or path.name.endswith((ENDING, ".run.json", "batch.json")):
        return False
    if path.is_dir():
        return is_store(path) and not is_ours(path)
    return path.name.lower().endswith(DRAWINGS)
