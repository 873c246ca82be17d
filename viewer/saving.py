"""Saving a painting as an annotation that training finds: as labels, or as polygons for QuPath."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wsiseg.annotations import (
    Annotation,
    polygonise,
    read_annotations,
    write_qupath,
)
from wsiseg.annotations.geojson import outermost_features
from wsiseg.annotations.labels import Labels
from wsiseg.annotations.placing import CoordinateTransform, find_transform
from wsiseg.annotations.raster import look_up
from wsiseg.errors import AnnotationError, ArgumentError, OutputExistsError
from wsiseg.store.disk import translate_write_errors, write_atomically
from wsiseg.store.metadata import Placement
from wsiseg.store.painted_masks import PaintedPart, add_to_painted_mask, write_painted_mask
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.slides.files import sample_name
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.painting import class_positions, numbered

Kind = Literal["OME-Zarr", "GeoJSON"]
IfExists = Literal["refuse", "add", "replace"]
"""What becomes of an annotation that exists already."""

_ENDINGS: dict[Kind, str] = {"OME-Zarr": ".ome.zarr", "GeoJSON": ".geojson"}
_RIVALS = (
    ".ome.zarr",
    ".zarr",
    ".geojson",
    ".geojson.gz",
    ".json",
    ".json.gz",
    ".xml",
    ".annotations",
)
"""What training takes for annotations of a slide, of which it wants one only."""


def annotation_path(folder: Path, slide: Slide, kind: Kind) -> Path:
    """Return where training looks for the annotation of a slide.

    Parameters
    ----------
    folder : Path
        Of annotations.
    slide : Slide
        What was painted on.
    kind : {"OME-Zarr", "GeoJSON"}
        What is written.

    Returns
    -------
    Path
        Named after the slide.
    """
    return folder / f"{sample_name(slide.path.name)}{_ENDINGS[kind]}"


def save_painting(
    region: RegionView,
    labels: Labels,
    folder: Path,
    kind: Kind = "OME-Zarr",
    if_exists: IfExists = "refuse",
) -> Path:
    """Write what was painted, as ``wsiseg train --annotations`` takes it.

    Parameters
    ----------
    region : RegionView
        What was painted on.
    labels : ndarray
        uint8 ``(region.box.height, region.box.width)``; 255 where nobody painted, see
        :meth:`wsiseg.viewer.reviewing.Review.reviewed`.
    folder : Path
        Made if need be.
    kind : {"OME-Zarr", "GeoJSON"}
        Labels, or polygons as QuPath reads them.
    if_exists : {"refuse", "add", "replace"}
        What becomes of an annotation of this slide that exists already.  What is added lies over
        it where something was painted, and leaves it as it is elsewhere.

    Returns
    -------
    Path
        The file or store, which changes as a whole or not at all.

    Raises
    ------
    ArgumentError
        If nothing is painted.
    AnnotationError
        If a label means no class, or the painting does not fit the existing annotation.
    OutputExistsError
        If an annotation exists that may not be changed.
    OutputError
        If it cannot be written.
    """
    path = annotation_path(folder, region.slide.slide, kind)
    if (labels == NO_LABEL).all():
        raise ArgumentError(
            "nothing is painted",
            None,
            "Paint with one of the classes first, or mark what is right as checked.",
        )
    _refuse_rivals(path, _ENDINGS[kind])
    placed = look_up(labels, class_positions(region.classes, -1), path)
    region = replace(region, classes=numbered(region.classes))
    with translate_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    save = _save_store if kind == "OME-Zarr" else _save_drawing
    save(path, region, placed, if_exists)
    return path


def _refuse_rivals(path: Path, ending: str) -> None:
    stem = path.name.removesuffix(ending)
    for other in _RIVALS:
        rival = path.with_name(stem + other)
        if other != ending and rival.exists():
            raise OutputExistsError(
                "the slide has an annotation in another format",
                rival,
                "Training takes one of them only: move it away, or choose another folder.",
            )


def _save_store(path: Path, region: RegionView, labels: Labels, if_exists: IfExists) -> None:
    part = PaintedPart(
        labels=labels,
        box=region.box,
        shape=region.plane.box.shape,
        placement=Placement(region.plane.mpp, region.plane.slide_scale),
        classes=tuple(region.classes.values()),
        slide=region.slide.slide.path.name,
        stretch=region.frame.stretch,
    )
    if if_exists == "add" and path.exists():
        add_to_painted_mask(path, part)
    else:
        write_painted_mask(path, part, replace=if_exists == "replace")


def _save_drawing(path: Path, region: RegionView, labels: Labels, if_exists: IfExists) -> None:
    if path.exists() and if_exists == "refuse":
        raise OutputExistsError("an annotation of this slide exists", path, "Add to or replace it.")
    slide = region.slide.slide
    if if_exists != "add" or not path.exists():
        write_qupath(
            path, _polygons(region, labels, CoordinateTransform.from_scanned_bounds(slide))
        )
        return
    transform, _ = find_transform(read_annotations(path), slide)
    beside = path.with_name(f".{path.name}.added")
    try:
        write_qupath(beside, _polygons(region, labels, transform))
        _append(path, beside)
    finally:
        beside.unlink(missing_ok=True)


def _polygons(
    region: RegionView, labels: Labels, transform: CoordinateTransform
) -> list[Annotation]:
    """Return what was painted as polygons, in the coordinates of a file."""
    values, shapes = zip(*polygonise(labels, region.pixel, region.corner), strict=True)
    return [
        Annotation(region.classes[label].name, shape, region.classes[label].colour, painted=True)
        for label, shape in zip(values, transform.from_level_0(np.array(shapes)), strict=True)
    ]


def _append(path: Path, added: Path) -> None:
    """Add the features of one file to those of another, which keeps whatever else it has."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        features: list[Any] = outermost_features(content)
    except ValueError as error:
        raise AnnotationError(
            f"nothing can be added to it: {error}", path, "Replace it."
        ) from error
    new = json.loads(added.read_text(encoding="utf-8"))["features"]
    # A shape that is there already is painted once more: last, so that it lies on top.
    again = {feature["id"] for feature in new}
    kept = [f for f in features if not (isinstance(f, dict) and f.get("id") in again)]
    whole = content if isinstance(content, dict) and "features" in content else {}
    whole |= {"type": "FeatureCollection", "features": kept + new}
    write_atomically(path, json.dumps(whole) + "\n")
