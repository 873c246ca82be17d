"""A user's own pictures or slides, with labels of the same name in another folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.models.class_sets import Colour
from wsiseg.store.label_images import is_store
from wsiseg.training.annotations.class_map import ClassMap
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
    numbered = {} if instances is None else _by_stem(instances, _is_mask)
    samples = tuple(
        Sample(name, image, PictureLabels(mask, table), numbered.get(name))
        for name, image, mask in _pairs(images, labels, _is_mask, only)
    )
    if instances is not None:
        _refuse_lonely([s.name for s in samples if s.instances is None], instances, "instances")
    return DataSet(images.name, class_map.classes, samples)


def open_slides(
    slides: Path,
    annotations: Path,
    class_map: ClassMap | None = None,
    coordinates: Coordinates = "auto",
    only: Names = None,
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

    Raises
    ------
    DataSetError
        If the folders do not match.
    AnnotationError
        If no class map is given and a file cannot be read.
    """
    # Programs that write beside the slide leave no masks there that are pictures.
    wanted = _is_drawing if slides.resolve() == annotations.resolve() else _is_annotation
    pairs = _pairs(slides, annotations, wanted, only)
    known = class_map or _name_classes([path for _, _, path in pairs])
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


def _name_classes(paths: Iterable[Path]) -> ClassMap:
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
    # A colour that another class has already is none; such a class gets one of its own.
    colours = {colour: name for name, colour in sorted(found.items(), reverse=True) if colour}
    return ClassMap.build(
        {name: name for name in sorted(found)},
        {name: colour for colour, name in colours.items()},
    )


def _classes_in(path: Path) -> list[tuple[str, Colour | None]]:
    """Return the names in a file, and the colours of those that have one."""
    if is_store(path):
        return [(entry.name, entry.colour) for entry in stored_classes(path)]
    drawn = read_annotations(path).annotations
    return [(a.name, a.colour) for a in drawn if a.name is not None]


def _pairs(
    images: Path, labels: Path, is_label: Callable[[Path], bool], only: Names
) -> list[tuple[str, Path, Path]]:
    """Return name, picture and labels of every sample, sorted by name."""
    pictures, masks = _by_stem(images, _is_picture), _by_stem(labels, is_label)
    if only is not None:
        pictures = {name: path for name, path in pictures.items() if name in only}
        masks = {name: path for name, path in masks.items() if name in only}
    _refuse_lonely(sorted(pictures.keys() - masks.keys()), labels, "labels")
    _refuse_lonely(sorted(masks.keys() - pictures.keys()), images, "pictures")
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


def _refuse_lonely(names: list[str], folder: Path, lacking: str) -> None:
    if names:
        shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
        raise DataSetError(
            f"{len(names)} of the samples have no {lacking}: {shown}",
            folder,
            "Pictures and labels belong together by their names without the ending.",
        )


def _by_stem(folder: Path, wanted: Callable[[Path], bool]) -> dict[str, Path]:
    """Return the files and stores of a folder that are wanted, by names without any ending."""
    if not folder.is_dir():
        raise DataSetError("there is no such folder", folder)
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not wanted(path):
            continue
        name = _stem(path.name)
        if name in found:
            raise DataSetError(
                f"{found[name].name} and {path.name} belong to the same sample", folder
            )
        found[name] = path
    if not found:
        raise DataSetError("the folder holds nothing of use", folder)
    return found


def _stem(name: str) -> str:
    for ending in (".ome.zarr", ".ome.tiff", ".ome.tif"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    packed = Path(name)
    return Path(packed.stem if packed.suffix.lower() == ".gz" else name).stem
