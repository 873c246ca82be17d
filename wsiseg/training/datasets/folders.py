"""A user's own pictures or slides, with labels of the same name in another folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wsiseg.errors import AnnotationError, ArgumentError, DataSetError
from wsiseg.models.class_sets import Colour
from wsiseg.store.label_images import is_store
from wsiseg.training.annotations.class_map import (
    IGNORE,
    UNANNOTATED,
    UNCLASSIFIED,
    ClassMap,
    Pairs,
)
from wsiseg.training.annotations.labels import LabelSource
from wsiseg.training.annotations.pictures import PictureLabels
from wsiseg.training.annotations.placing import Coordinates
from wsiseg.training.annotations.polygons import PolygonLabels
from wsiseg.training.annotations.reading import read_annotations
from wsiseg.training.annotations.stores import StoreLabels, stored_classes
from wsiseg.training.datasets.dataset import DataSet, Sample

_SHOWN = 3
_PICTURES = (".png", ".tif", ".tiff", ".bmp", ".gif")
_DRAWINGS = (".geojson", ".json", ".xml", ".annotations", ".gz")
_NO_SLIDES = (*_DRAWINGS, ".csv", ".txt", ".md", ".yaml", ".yml", ".db", ".ini", ".journal")
_COMPANIONS = (".run.json", "batch.json")
"""What ``wsiseg segment`` leaves beside its masks."""

Names = set[str] | None


def open_pictures(
    images: Path,
    labels: Path,
    class_map: ClassMap,
    instances: Path | None = None,
    only: Names = None,
) -> DataSet:
    """Return the pictures of a folder with index or palette masks of the same stem.

    Parameters
    ----------
    images, labels : Path
        The folders.
    class_map : ClassMap
        What the masks' values mean.
    instances : Path, optional
        A folder of pictures in which every object has a number of its own.
    only : set of str, optional
        Names of the samples to take.

    Raises
    ------
    DataSetError
        If the folders do not match.
    """
    table = class_map.table(class_map.values, labels)
    numbered = {} if instances is None else _by_stem(instances, _INSTANCES)
    samples = tuple(
        Sample(name, image, PictureLabels(mask, table), numbered.get(name))
        for name, image, mask in _pairs(images, _IMAGES, labels, _LABELS, only)
    )
    if instances is not None:
        _refuse_lonely([s.name for s in samples if s.instances is None], instances, _INSTANCES)
    return DataSet(images.name, class_map.classes, samples)


def open_slides(
    slides: Path,
    annotations: Path,
    class_map: ClassMap | None = None,
    coordinates: Coordinates = "auto",
    only: Names = None,
    *,
    nameless: Pairs | None = None,
    colours: Mapping[str, Colour] | None = None,
) -> DataSet:
    """Return the slides of a folder with annotations of the same stem.

    Parameters
    ----------
    slides, annotations : Path
        The folders.
    class_map : ClassMap, optional
        What the names in the annotations mean; if left out, every name is a class of its own, in
        alphabetical order, and area that nobody drew on is ignored.
    coordinates : {"auto", "level0", "bounds"}
        Where the annotations' pixels count from.
    only : set of str, optional
        Names of the samples to take.
    nameless : mapping of str to str, optional
        Where no class map is given, what ``unannotated`` area and ``unclassified`` shapes are.
    colours : mapping of str to tuple of int, optional
        RGB of some of the classes, where no class map is given.

    Raises
    ------
    DataSetError
        If the folders do not match.
    AnnotationError
        If no class map is given, and a file cannot be read or no annotation has a class.
    """
    # Programs that write beside the slide leave no masks there that are pictures.
    beside = slides.resolve() == annotations.resolve()
    pairs = _pairs(slides, _SLIDES, annotations, _BESIDE if beside else _ANNOTATIONS, only)
    known = class_map
    if known is None:
        known = _name_classes([path for _, _, path in pairs], nameless or {}, colours or {})
    samples = tuple(
        Sample(name, slide, _labels(path, known, coordinates)) for name, slide, path in pairs
    )
    return DataSet(slides.name, known.classes, samples, sparse=True)


def _labels(path: Path, class_map: ClassMap, coordinates: Coordinates) -> LabelSource:
    if path.suffix.lower() in _PICTURES:
        return PictureLabels(path, class_map.table(class_map.values, path))
    if is_store(path):
        return StoreLabels(path, class_map)
    return PolygonLabels(path, class_map, coordinates)


def _name_classes(paths: Sequence[Path], nameless: Pairs, given: Mapping[str, Colour]) -> ClassMap:
    """Make every name that occurs a class."""
    found: dict[str, Colour | None] = {}
    for path in paths:
        if path.suffix.lower() in _PICTURES:
            raise ArgumentError(
                "painted masks need to know what their values mean",
                "--class-map",
                'Write it like "0=background,255=gland", or name a YAML file.',
            )
        for name, colour in _classes_in(path):
            if found.get(name) is None:
                found[name] = colour
    if not found and nameless.get(UNCLASSIFIED, IGNORE) == IGNORE:
        raise AnnotationError(
            "no annotation has a class",
            paths[0].parent,
            f'Say what they are with --class-map "{UNCLASSIFIED}=CLASS,{UNANNOTATED}=CLASS", or of '
            'painted masks with "1=CLASS,2=CLASS".',
        )
    # A colour that another class has already is none; such a class gets one of its own.
    colours = {colour: name for name, colour in sorted(found.items(), reverse=True) if colour}
    return ClassMap.build(
        {name: name for name in sorted(found)} | dict(nameless),
        {name: colour for colour, name in colours.items()} | dict(given),
    )


def _classes_in(path: Path) -> list[tuple[str, Colour | None]]:
    """Return the names in a file, and the colours of those that have one."""
    if is_store(path):
        return [(entry.name, entry.colour) for entry in stored_classes(path)]
    drawn = read_annotations(path).annotations
    return [(a.name, a.colour) for a in drawn if a.name is not None]


def _pairs(
    images: Path, shown: _Kind, labels: Path, drawn: _Kind, only: Names
) -> list[tuple[str, Path, Path]]:
    """Return name, picture and labels of every sample, sorted by name."""
    pictures, masks = _by_stem(images, shown), _by_stem(labels, drawn)
    if only is not None:
        pictures = {name: path for name, path in pictures.items() if name in only}
        masks = {name: path for name, path in masks.items() if name in only}
    _refuse_lonely(sorted(pictures.keys() - masks.keys()), labels, drawn)
    _refuse_lonely(sorted(masks.keys() - pictures.keys()), images, shown)
    return [(name, pictures[name], masks[name]) for name in sorted(pictures)]


def _is_picture(path: Path) -> bool:
    return not path.is_dir() and path.suffix.lower() not in _NO_SLIDES


def _is_mask(path: Path) -> bool:
    return not path.is_dir() and path.suffix.lower() in _PICTURES


def _is_drawing(path: Path) -> bool:
    return is_store(path) or (
        path.suffix.lower() in _DRAWINGS and not path.name.endswith(_COMPANIONS)
    )


def _is_annotation(path: Path) -> bool:
    return _is_drawing(path) or _is_mask(path)


@dataclass(frozen=True)
class _Kind:
    """What belongs into one of the folders."""

    option: str
    things: str
    wanted: Callable[[Path], bool]
    endings: str


def _files(*endings: str) -> str:
    return f"files that end in {', '.join(endings)}"


_ANY, _STORES = "files that wsiseg info opens", "OME-Zarr stores"
_IMAGES = _Kind("--images", "pictures", _is_picture, _ANY)
_SLIDES = _Kind("--slides", "slides", _is_picture, _ANY)
_LABELS = _Kind("--labels", "labels", _is_mask, _files(*_PICTURES))
_INSTANCES = _Kind("--instances", "instances", _is_mask, _files(*_PICTURES))
_BESIDE = _Kind("--annotations", "annotations", _is_drawing, f"{_STORES} and {_files(*_DRAWINGS)}")
_ANNOTATIONS = _Kind(
    "--annotations",
    "annotations",
    _is_annotation,
    f"{_STORES} and {_files(*_DRAWINGS, *_PICTURES)}",
)


def _refuse_lonely(names: list[str], folder: Path, lacking: _Kind) -> None:
    if names:
        shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
        raise DataSetError(
            f"{len(names)} of the samples {'has' if len(names) == 1 else 'have'} no "
            f"{lacking.things}: {shown}",
            folder,
            "Pictures and labels belong together by their names without the ending; "
            f"{lacking.option} wants {lacking.endings}.",
        )


def _by_stem(folder: Path, kind: _Kind) -> dict[str, Path]:
    """Return the files and stores of a folder that are wanted, by names without any ending."""
    if not folder.is_dir():
        raise DataSetError("there is no such folder", folder, f"Check {kind.option}.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not kind.wanted(path):
            continue
        name = _stem(path.name)
        if name in found:
            raise DataSetError(
                f"{found[name].name} and {path.name} belong to the same sample", folder
            )
        found[name] = path
    if not found:
        raise DataSetError(
            f"the folder holds no {kind.things}",
            folder,
            f"{kind.option} wants {kind.endings}.",
        )
    return found


def _stem(name: str) -> str:
    for ending in (".ome.zarr", ".ome.tiff", ".ome.tif"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    packed = Path(name)
    return Path(packed.stem if packed.suffix.lower() == ".gz" else name).stem
