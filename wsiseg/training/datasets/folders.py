"""A user's own pictures or slides, with labels of the same name in another folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from wsiseg.annotations.class_map import (
    IGNORE,
    UNANNOTATED,
    UNCLASSIFIED,
    ClassMap,
    Pairs,
)
from wsiseg.annotations.labels import LabelSource
from wsiseg.annotations.pictures import PictureLabels
from wsiseg.annotations.placing import Coordinates
from wsiseg.annotations.polygons import PolygonLabels
from wsiseg.annotations.reading import read_annotations
from wsiseg.annotations.stores import StoreLabels, stored_classes
from wsiseg.classes import Colour
from wsiseg.errors import AnnotationError, ArgumentError
from wsiseg.store.label_images import is_store
from wsiseg.tiling.slides.files import LOSSLESS, is_picture
from wsiseg.training.datasets.dataset import DataSet, Sample
from wsiseg.training.datasets.pairing import (
    IMAGES,
    INSTANCES,
    LABELS,
    SLIDES,
    Names,
    annotation_kind,
    files_by_name,
    pair_files,
    refuse_unpaired,
)


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
    numbered = {} if instances is None else files_by_name(instances, INSTANCES)
    samples = tuple(
        Sample(name, image, PictureLabels(mask, table), numbered.get(name))
        for name, image, mask in pair_files(images, IMAGES, labels, LABELS, only)
    )
    if instances is not None:
        refuse_unpaired([s.name for s in samples if s.instances is None], instances, INSTANCES)
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
    strict: bool = False,
) -> DataSet:
    """Return the slides of a folder with annotations of the same stem.

    Parameters
    ----------
    slides, annotations : Path
        The folders.
    class_map : ClassMap, optional
        What the names in the annotations mean; if left out, every name is a class of its own, in
        the order in which they were painted or drawn, and area that nobody drew on is ignored.
    coordinates : {"auto", "level0", "bounds"}
        Where the annotations' pixels count from.
    only : set of str, optional
        Names of the samples to take.
    nameless : mapping of str to str, optional
        Where no class map is given, what ``unannotated`` area and ``unclassified`` shapes are.
    colours : mapping of str to tuple of int, optional
        RGB of some of the classes, where no class map is given.
    strict : bool
        Whether shapes without a class are errors.

    Raises
    ------
    DataSetError
        If the folders do not match.
    AnnotationError
        If no class map is given, and a file cannot be read or no annotation has a class.
    """
    drawn = annotation_kind(slides, annotations)
    pairs = pair_files(slides, SLIDES, annotations, drawn, only)
    known = class_map
    if known is None:
        known = _name_classes([path for _, _, path in pairs], nameless or {}, colours or {})
    known = replace(known, strict=strict)
    samples = tuple(
        Sample(name, slide, _labels(path, known, coordinates)) for name, slide, path in pairs
    )
    return DataSet(slides.name, known.classes, samples, sparse=True)


def _labels(path: Path, class_map: ClassMap, coordinates: Coordinates) -> LabelSource:
    if is_picture(path, LOSSLESS):
        return PictureLabels(path, class_map.table(class_map.values, path))
    if is_store(path):
        return StoreLabels(path, class_map)
    return PolygonLabels(path, class_map, coordinates)


def _name_classes(paths: Sequence[Path], nameless: Pairs, given: Mapping[str, Colour]) -> ClassMap:
    """Make every name that occurs a class."""
    found: dict[str, Colour | None] = {}
    for path in paths:
        if is_picture(path, LOSSLESS):
            raise ArgumentError(
                "the values of painted masks need a class map",
                "`class_map`",
                'Write it like "0=background,255=gland", or name a YAML file.',
            )
        for name, colour in _classes_in(path):
            if found.get(name) is None:
                found[name] = colour
    if not found and nameless.get(UNCLASSIFIED, IGNORE) == IGNORE:
        raise AnnotationError(
            "no annotation has a class",
            paths[0].parent,
            f'Say what they are with `class_map` "{UNCLASSIFIED}=CLASS,{UNANNOTATED}=CLASS", or of '
            'painted masks with "1=CLASS,2=CLASS".',
        )
    # A colour that another class has already is none; such a class gets one of its own.
    colours = {colour: name for name, colour in reversed(found.items()) if colour}
    return ClassMap.build(
        {name: name for name in found} | dict(nameless),
        {name: colour for colour, name in colours.items()} | dict(given),
    )


def _classes_in(path: Path) -> list[tuple[str, Colour | None]]:
    """Return the names in a file, and the colours of those that have one."""
    if is_store(path):
        return [(entry.name, entry.colour) for entry in stored_classes(path)]
    drawn = read_annotations(path).annotations
    return [(a.name, a.colour) for a in drawn if a.name is not None]
