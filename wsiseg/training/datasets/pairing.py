"""Files of two folders that belong together by their names."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wsiseg.errors import DataSetError
from wsiseg.store.label_images import is_store
from wsiseg.tiling.slides import is_slide_folder
from wsiseg.tiling.slides.files import LOSSLESS, is_picture, may_be_slide, sample_name, visible

_SHOWN = 3
DRAWINGS = (".geojson", ".json", ".xml", ".annotations", ".gz")
_COMPANIONS = (".run.json", "batch.json")
"""What ``wsiseg segment`` leaves beside its masks."""

Names = set[str] | None


def _is_slide(path: Path) -> bool:
    return is_slide_folder(path) if path.is_dir() else may_be_slide(path)


def _is_mask(path: Path) -> bool:
    return is_picture(path, LOSSLESS)


def _is_drawing(path: Path) -> bool:
    return is_store(path) or (
        path.suffix.lower() in DRAWINGS
        and not path.name.endswith(_COMPANIONS)
        and not path.is_dir()
    )


def _is_annotation(path: Path) -> bool:
    return _is_drawing(path) or _is_mask(path)


@dataclass(frozen=True)
class FileKind:
    """What belongs into one of the folders.

    Attributes
    ----------
    option : str
        Which names the folder.
    things : str
        What they are called.
    wanted : callable
        Tells whether a path is one.
    endings : str
        What they end in, for people.
    """

    option: str
    things: str
    wanted: Callable[[Path], bool]
    endings: str


def _files(*endings: str) -> str:
    return f"files that end in {', '.join(endings)}"


_ANY, _STORES = "files that wsiseg info opens", "OME-Zarr stores"
IMAGES = FileKind("`images`", "pictures", may_be_slide, _ANY)
SLIDES = FileKind("`slides`", "slides", _is_slide, f"{_ANY}, OME-Zarr images and folders of DICOM")
LABELS = FileKind("`labels`", "labels", _is_mask, _files(*LOSSLESS))
INSTANCES = FileKind("`instances`", "instances", _is_mask, _files(*LOSSLESS))
BESIDE = FileKind("`annotations`", "annotations", _is_drawing, f"{_STORES} and {_files(*DRAWINGS)}")
ANNOTATIONS = FileKind(
    "`annotations`",
    "annotations",
    _is_annotation,
    f"{_STORES} and {_files(*DRAWINGS, *LOSSLESS)}",
)


def annotation_kind(slides: Path, annotations: Path) -> FileKind:
    """Return what counts as an annotation in a folder.

    Programs that write beside the slide leave no masks there that are pictures.

    Parameters
    ----------
    slides, annotations : Path
        The two folders, which may be the same.

    Returns
    -------
    FileKind
        The files that count.
    """
    return BESIDE if slides.resolve() == annotations.resolve() else ANNOTATIONS


def annotated_slides(slides: Path, annotations: Path) -> dict[str, Path]:
    """Return the annotations that have a slide, by the names of both.

    Parameters
    ----------
    slides, annotations : Path
        The two folders, which may be the same.

    Returns
    -------
    dict of str to Path
        Files of annotations by the names of their samples.

    Raises
    ------
    DataSetError
        If a folder is missing or holds nothing of use.
    """
    shown = files_by_name(slides, SLIDES)
    drawn = files_by_name(annotations, annotation_kind(slides, annotations), _full_names(shown))
    return {name: path for name, path in drawn.items() if name in shown}


def pair_files(
    images: Path, shown: FileKind, labels: Path, drawn: FileKind, only: Names
) -> list[tuple[str, Path, Path]]:
    """Return name, picture and labels of every sample, sorted by name.

    Parameters
    ----------
    images, labels : Path
        The folders.
    shown, drawn : FileKind
        What belongs into them.
    only : set of str, optional
        Names of the samples to take.

    Raises
    ------
    DataSetError
        If a folder is missing or holds nothing of its kind, or something has no partner.
    """
    pictures = files_by_name(images, shown)
    masks = files_by_name(labels, drawn, _full_names(pictures))
    if only is not None:
        pictures = {name: path for name, path in pictures.items() if name in only}
        masks = {name: path for name, path in masks.items() if name in only}
    refuse_unpaired(sorted(pictures.keys() - masks.keys()), labels, drawn)
    refuse_unpaired(sorted(masks.keys() - pictures.keys()), images, shown)
    return [(name, pictures[name], masks[name]) for name in sorted(pictures)]


def _full_names(pictures: Mapping[str, Path]) -> dict[str, str]:
    """Return whose sample a file is that is called after all of a picture's name.

    ``x.svs.geojson`` lies beside ``x.svs``, and ``x.ome.geojson`` beside ``x.ome.tif``.
    """
    known: dict[str, str] = {}
    for name, path in pictures.items():
        full = unicodedata.normalize("NFC", path.name)
        known |= {Path(full).stem: name, full: name}
    return {full: name for full, name in known.items() if full not in pictures}


def refuse_unpaired(names: list[str], folder: Path, lacking: FileKind) -> None:
    """Raise if there are samples without a partner in a folder.

    Parameters
    ----------
    names : list of str
        Samples without a partner; none raises nothing.
    folder : Path
        Where the partner is missing.
    lacking : FileKind
        What is missing.

    Raises
    ------
    DataSetError
        If there are such samples; says how many, and names the first of them.
    """
    if not names:
        return
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    raise DataSetError(
        f"{len(names)} of the samples {'has' if len(names) == 1 else 'have'} no "
        f"{lacking.things}: {shown}",
        folder,
        _nearly(names, folder, lacking)
        or "Pictures and labels belong together by their names without the ending; "
        f"{lacking.option} wants {lacking.endings}.",
    )


def _nearly(names: list[str], folder: Path, lacking: FileKind) -> str | None:
    """Return what to do about a file that is there, but not as it has to be."""
    for path in visible(folder):
        name = sample_name(path.name)
        if name in names and is_picture(path) and lacking.wanted(Path("mask.png")):
            return (
                f"{path.name} is there, but such pictures lose and invent values: "
                "save labels as PNG."
            )
        if name.startswith(tuple(names)) and lacking.wanted(path):
            return (
                f"{path.name} is there: a sample's files have the same name but for their "
                "ending, so rename one of them."
            )
    return None


def files_by_name(
    folder: Path, kind: FileKind, full_names: Mapping[str, str] | None = None
) -> dict[str, Path]:
    """Return the files and stores of a folder that are wanted, by names without any ending.

    Parameters
    ----------
    folder : Path
        Where to look.
    kind : FileKind
        What is wanted.
    full_names : mapping of str to str, optional
        Names that stand for others.
    """
    if not folder.is_dir():
        raise DataSetError("there is no such folder", folder, f"Check {kind.option}.")
    found: dict[str, Path] = {}
    for path in filter(kind.wanted, visible(folder)):
        name = sample_name(path.name)
        name = (full_names or {}).get(name, name)
        rival = found.setdefault(name, path)
        if rival is path:
            continue
        if kind is not SLIDES or rival.is_dir() == path.is_dir():
            raise DataSetError(
                f"{rival.name} and {path.name} belong to the same sample",
                folder,
                "Keep one of them, or move the other elsewhere.",
            )
        # Beside a slide, a run has left a folder with its image and mask.
        found[name] = path if rival.is_dir() else rival
    if not found:
        raise DataSetError(
            f"the folder holds no {kind.things}",
            folder,
            f"{kind.option} wants {kind.endings}.",
        )
    return found
