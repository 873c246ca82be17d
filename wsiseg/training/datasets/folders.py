"""A user's own pictures or slides, with labels of the same name in another folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wsiseg.errors import ArgumentError, DataSetError
from wsiseg.models.class_sets import Colour
from wsiseg.training.annotations.class_map import ClassMap
from wsiseg.training.annotations.labels import LabelSource
from wsiseg.training.annotations.pictures import PictureLabels
from wsiseg.training.annotations.placing import Coordinates
from wsiseg.training.annotations.polygons import PolygonLabels
from wsiseg.training.annotations.reading import read_annotations
from wsiseg.training.annotations.stores import StoreLabels, is_store, stored_classes
from wsiseg.training.datasets.dataset import DataSet, Sample

_SHOWN = 3
_PICTURES = (".png", ".tif", ".tiff", ".bmp", ".gif")


def open_pictures(
    images: Path, labels: Path, class_map: ClassMap, instances: Path | None = None
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

    Raises
    ------
    DataSetError
        If the folders do not match.
    """
    table = class_map.table(class_map.values, labels)
    numbered = {} if instances is None else _by_stem(instances)
    samples = tuple(
        Sample(name, image, PictureLabels(mask, table), numbered.get(name))
        for name, image, mask in _pairs(images, labels)
    )
    if instances is not None:
        _refuse_lonely([s.name for s in samples if s.instances is None], instances, "instances")
    return DataSet(images.name, class_map.classes, samples)


def open_slides(
    slides: Path,
    annotations: Path,
    class_map: ClassMap | None = None,
    coordinates: Coordinates = "auto",
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

    Raises
    ------
    DataSetError
        If the folders do not match.
    AnnotationError
        If no class map is given and a file cannot be read.
    """
    pairs = _pairs(slides, annotations)
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


def _pairs(images: Path, labels: Path) -> list[tuple[str, Path, Path]]:
    """Return name, picture and labels of every sample, sorted by name."""
    pictures, masks = _by_stem(images), _by_stem(labels)
    _refuse_lonely(sorted(pictures.keys() - masks.keys()), labels, "labels")
    _refuse_lonely(sorted(masks.keys() - pictures.keys()), images, "pictures")
    return [(name, pictures[name], masks[name]) for name in sorted(pictures)]


def _refuse_lonely(names: list[str], folder: Path, lacking: str) -> None:
    if names:
        shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
        raise DataSetError(
            f"{len(names)} of the samples have no {lacking}: {shown}",
            folder,
            "Pictures and labels belong together by their names without the ending.",
        )


def _by_stem(folder: Path) -> dict[str, Path]:
    """Return the files and stores of a folder by their names without any ending."""
    if not folder.is_dir():
        raise DataSetError("there is no such folder", folder)
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or (path.is_dir() and not is_store(path)):
            continue
        name = _stem(path.name)
        if name in found:
            raise DataSetError(
                f"{found[name].name} and {path.name} belong to the same sample", folder
            )
        found[name] = path
    if not found:
        raise DataSetError("the folder is empty", folder)
    return found


def _stem(name: str) -> str:
    for ending in (".ome.zarr", ".ome.tiff", ".ome.tif"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    packed = Path(name)
    return Path(packed.stem if packed.suffix.lower() == ".gz" else name).stem
