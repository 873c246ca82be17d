"""Files of two folders that belong together by their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wsiseg.errors import DataSetError
from wsiseg.store.label_images import is_store
from wsiseg.tiling.slides import is_slide_folder

_SHOWN = 3
PICTURES = (".png", ".tif", ".tiff", ".bmp", ".gif")
DRAWINGS = (".geojson", ".json", ".xml", ".annotations", ".gz")
_NO_SLIDES = (*DRAWINGS, ".csv", ".txt", ".md", ".yaml", ".yml", ".db", ".ini", ".journal")
_COMPANIONS = (".run.json", "batch.json")
"""What ``wsiseg segment`` leaves beside its masks."""

Names = set[str] | None


def _is_picture(path: Path) -> bool:
    return not path.is_dir() and path.suffix.lower() not in _NO_SLIDES


def _is_slide(path: Path) -> bool:
    return is_slide_folder(path) if path.is_dir() else _is_picture(path)


def _is_mask(path: Path) -> bool:
    return not path.is_dir() and path.suffix.lower() in PICTURES


def _is_drawing(path: Path) -> bool:
    return is_store(path) or (
        path.suffix.lower() in DRAWINGS and not path.name.endswith(_COMPANIONS)
    )


def _is_annotation(path: Path) -> bool:
    return _is_drawing(path) or _is_mask(path)


@dataclass(frozen=True)
class Kind:
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
IMAGES = Kind("--images", "pictures", _is_picture, _ANY)
SLIDES = Kind("--slides", "slides", _is_slide, f"{_ANY}, OME-Zarr images and folders of DICOM")
LABELS = Kind("--labels", "labels", _is_mask, _files(*PICTURES))
INSTANCES = Kind("--instances", "instances", _is_mask, _files(*PICTURES))
BESIDE = Kind("--annotations", "annotations", _is_drawing, f"{_STORES} and {_files(*DRAWINGS)}")
ANNOTATIONS = Kind(
    "--annotations",
    "annotations",
    _is_annotation,
    f"{_STORES} and {_files(*DRAWINGS, *PICTURES)}",
)


def annotations_of(slides: Path, annotations: Path) -> Kind:
    """Return what counts as an annotation in a folder.

    Programs that write beside the slide leave no masks there that are pictures.
    """
    return BESIDE if slides.resolve() == annotations.resolve() else ANNOTATIONS


def annotated_slides(slides: Path, annotations: Path) -> dict[str, Path]:
    """Return the annotations that have a slide, by the names of both.

    Raises
    ------
    DataSetError
        If a folder is missing or holds nothing of use.
    """
    drawn = files_by_name(annotations, annotations_of(slides, annotations))
    shown = files_by_name(slides, SLIDES)
    return {name: path for name, path in drawn.items() if name in shown}


def pair_files(
    images: Path, shown: Kind, labels: Path, drawn: Kind, only: Names
) -> list[tuple[str, Path, Path]]:
    """Return name, picture and labels of every sample, sorted by name.

    Parameters
    ----------
    images, labels : Path
        The folders.
    shown, drawn : Kind
        What belongs into them.
    only : set of str, optional
        Names of the samples to take.

    Raises
    ------
    DataSetError
        If a folder is missing or holds nothing of its kind, or something has no partner.
    """
    pictures, masks = files_by_name(images, shown), files_by_name(labels, drawn)
    if only is not None:
        pictures = {name: path for name, path in pictures.items() if name in only}
        masks = {name: path for name, path in masks.items() if name in only}
    refuse_lonely(sorted(pictures.keys() - masks.keys()), labels, drawn)
    refuse_lonely(sorted(masks.keys() - pictures.keys()), images, shown)
    return [(name, pictures[name], masks[name]) for name in sorted(pictures)]


def refuse_lonely(names: list[str], folder: Path, lacking: Kind) -> None:
    """Raise if there are samples without a partner in a folder."""
    if names:
        shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
        raise DataSetError(
            f"{len(names)} of the samples {'has' if len(names) == 1 else 'have'} no "
            f"{lacking.things}: {shown}",
            folder,
            "Pictures and labels belong together by their names without the ending; "
            f"{lacking.option} wants {lacking.endings}.",
        )


def files_by_name(folder: Path, kind: Kind) -> dict[str, Path]:
    """Return the files and stores of a folder that are wanted, by names without any ending."""
    if not folder.is_dir():
        raise DataSetError("there is no such folder", folder, f"Check {kind.option}.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not kind.wanted(path):
            continue
        rival = found.setdefault(sample_name(path.name), path)
        if rival is path:
            continue
        if kind is not SLIDES or rival.is_dir() == path.is_dir():
            raise DataSetError(f"{rival.name} and {path.name} belong to the same sample", folder)
        # Beside a slide, a run has left a folder with its image and mask.
        found[sample_name(path.name)] = path if rival.is_dir() else rival
    if not found:
        raise DataSetError(
            f"the folder holds no {kind.things}",
            folder,
            f"{kind.option} wants {kind.endings}.",
        )
    return found


def sample_name(name: str) -> str:
    """Return a file's name without its ending, by which pictures and labels find each other."""
    for ending in (".ome.zarr", ".ome.tiff", ".ome.tif"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    packed = Path(name)
    return Path(packed.stem if packed.suffix.lower() == ".gz" else name).stem
