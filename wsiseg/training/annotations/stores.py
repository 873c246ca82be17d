"""Masks painted in napari, or written by ``wsiseg segment``: OME-Zarr label images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from wsiseg.errors import AnnotationError, DataSetError, WsisegError
from wsiseg.models.class_sets import Colour, LabelClass, distinct_colour
from wsiseg.store.metadata import LABELS, MASK, NOT_ANALYSED
from wsiseg.tiling.resolution import WorkingPlane, level0_mpp
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.stitching import UNSEEN
from wsiseg.training.annotations.class_map import ClassMap
from wsiseg.training.annotations.gridded import GriddedLabels, make_table
from wsiseg.training.annotations.labels import IGNORED, LabelSource

_UNPAINTED = 0
"""What napari leaves where nobody painted, unless the store gives the value a class."""

_MICROMETRES = {"nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3, "centimeter": 1e4}

_SLACK = 0.01
"""Share of a slide's side that rounded metadata may let a mask reach beyond it."""

_Pair = npt.NDArray[np.float64]
_STEPS: Mapping[str, Callable[[_Pair, _Pair, _Pair], tuple[_Pair, _Pair]]] = {
    "scale": lambda scale, shift, by: (scale * by, shift * by),
    "translation": lambda scale, shift, by: (scale, shift + by),
}


class StoreLabels(LabelSource):
    """An OME-Zarr label image, placed on its slide by its scale and translation.

    Parameters
    ----------
    path : Path
        A label image, or an image with one at ``labels/``.
    class_map : ClassMap
        What its values mean, by the numbers or by the class names in its properties.
    """

    def __init__(self, path: Path, class_map: ClassMap) -> None:
        super().__init__(path)
        self.class_map = class_map

    def open(self, slide: Slide, plane: WorkingPlane) -> GriddedLabels:
        """Lay the store over a plane; see :class:`LabelSource`."""
        group, attributes = _open_labels(self.path)
        with _understood(self.path):
            multiscale = attributes["multiscales"][0]
            dataset = multiscale["datasets"][0]
            values = StoredValues(group[dataset["path"]], self.path)
            unit = _unit(multiscale, slide, plane, self.path)
            pixel, corner = _place(multiscale, dataset, unit)
        _refuse_other_slide(values.shape, pixel, corner, slide, self.path)
        table = make_table(self._meanings(attributes))
        return GriddedLabels(values, table, plane, self.path, pixel=pixel, corner=corner)

    def _meanings(self, attributes: Any) -> dict[int, int]:
        with _understood(self.path):
            named = {value: entry.name for value, entry in _named(attributes).items()}
        numbered = self.class_map.values
        meanings = {UNSEEN: IGNORED}
        if _UNPAINTED not in named:
            # A painted mask marks no regions inside which everything would be annotated.
            ground = IGNORED if self.class_map.exhaustive else self.class_map.ground
            meanings[_UNPAINTED] = ground
        # Whoever maps a number need not map its name as well.
        names = {value: name for value, name in named.items() if value not in numbered}
        return meanings | self.class_map.table(names | numbered, self.path)


class StoredValues:
    """The plane of a Zarr array; its slices are read when they are asked for.

    Parameters
    ----------
    array : zarr.Array
        ``(H, W)`` of any integers; further axes in front must be of length 1.
    path : Path
        For errors.

    Raises
    ------
    AnnotationError
        If it is no plane.
    """

    def __init__(self, array: Any, path: Path) -> None:
        if not isinstance(array, zarr.Array) or array.ndim < 2 or set(array.shape[:-2]) - {1}:
            raise AnnotationError("the labels are no plane of y and x", path)
        self._array = array
        self._path = path
        self.shape: tuple[int, ...] = array.shape[-2:]

    def __getitem__(self, key: tuple[slice, slice]) -> npt.NDArray[Any]:
        """Return rows and columns.

        Raises
        ------
        AnnotationError
            If a chunk cannot be decoded.
        """
        place: tuple[int | slice, ...] = (*(0,) * (self._array.ndim - 2), *key)
        try:
            return np.asarray(self._array[place])
        except Exception as error:
            # Damaged data makes the codecs stumble in any way there is.
            raise AnnotationError(
                f"the store's pixels cannot be read: {error}", self._path
            ) from error


def stored_classes(path: Path) -> tuple[LabelClass, ...]:
    """Return the classes that a label image names, in the order of their values.

    Raises
    ------
    AnnotationError
        If it is no OME-Zarr store.
    """
    attributes = _open_labels(path)[1]
    with _understood(path):
        return tuple(entry for _, entry in sorted(_named(attributes).items()))


def is_store(path: Path) -> bool:
    """Tell whether a folder is a Zarr group."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup"))


def _open_labels(path: Path) -> tuple[zarr.Group, Any]:
    """Return the label image's group and its ``ome`` attributes (those of 0.4 stand bare)."""
    try:
        group = zarr.open_group(path, mode="r")
        attributes: Any = dict(group.attrs)
        attributes = attributes.get("ome", attributes)
        inside = _label_images(group)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise AnnotationError(f"this is no OME-Zarr store: {error}", path) from error
    if not inside or "image-label" in attributes:
        return group, attributes
    if MASK not in inside and len(inside) > 1:
        raise AnnotationError(
            f"the store has several label images: {', '.join(inside)}",
            path,
            f"Give the one that is meant, {path.name}/{LABELS}/{inside[0]} for instance.",
        )
    return _open_labels(path / LABELS / (MASK if MASK in inside else inside[0]))


def _label_images(group: zarr.Group) -> list[str]:
    labels = group.get(LABELS)
    return sorted(labels.group_keys()) if isinstance(labels, zarr.Group) else []


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """Turn whatever metadata of another shape make us stumble over into an error of ours."""
    try:
        yield
    except WsisegError:
        raise
    except KeyError as error:
        raise AnnotationError(f"the store's metadata lack {error}", path) from error
    except (IndexError, TypeError, ValueError, AttributeError) as error:
        raise AnnotationError(
            f"the store's metadata are not those of OME-Zarr: {error}", path
        ) from error


def _named(attributes: Any) -> dict[int, LabelClass]:
    label = attributes.get("image-label", {})
    colours: dict[int, Colour] = {
        int(entry["label-value"]): tuple(entry["rgba"][:3])
        for entry in label.get("colors", [])
        if "rgba" in entry
    }
    found = {}
    for entry in label.get("properties", []):
        name, value = entry.get("class", entry.get("name")), int(entry["label-value"])
        if isinstance(name, str) and name != NOT_ANALYSED:
            found[value] = LabelClass(name, colours.get(value, distinct_colour(value)))
    return found


def _unit(multiscale: Any, slide: Slide, plane: WorkingPlane, path: Path) -> float:
    """Return what one pixel of the slide's level 0 measures in the unit of the store's axes."""
    axes = multiscale["axes"][-2:]
    names, units = [axis["name"] for axis in axes], {axis.get("unit") for axis in axes}
    if names != ["y", "x"]:
        raise AnnotationError(f"the store's last axes are {' and '.join(names)}, not y and x", path)
    if units == {None}:
        return 1.0
    (unit, *others) = sorted(map(str, units))
    if others or unit not in _MICROMETRES:
        raise AnnotationError(
            f"the store's axes are measured in {' and '.join([unit, *others])}",
            path,
            f"Lengths in {', '.join(_MICROMETRES)} are understood, and pixels without a unit.",
        )
    # A plane that was laid with --slide-mpp knows better than the file.
    mpp = level0_mpp(slide) if plane.mpp is None else plane.mpp / plane.slide_scale
    return mpp / _MICROMETRES[unit]


def _place(multiscale: Any, dataset: Any, unit: float) -> tuple[float, tuple[float, float]]:
    """Return the pixel's size and the corner's ``(y, x)`` in pixels of the slide's level 0.

    Slide coordinates count from the centre of the slide's first pixel (OME-Zarr 0.5 leaves that
    open; it is what our masks and napari do).
    """
    scale, shift = np.ones(2), np.zeros(2)
    for step in (
        *dataset["coordinateTransformations"],
        *multiscale.get("coordinateTransformations", ()),
    ):
        if step["type"] != "identity":
            by = np.asarray(step[step["type"]][-2:], float).reshape(2)
            scale, shift = _STEPS[step["type"]](scale, shift, by)
    if not (scale > 0).all() or abs(scale[0] / scale[1] - 1) > 1e-3:
        message = f"pixels of {scale[0]:g} by {scale[1]:g}"
        raise ValueError(message)
    # Slides have one µm per pixel, the mean of both directions; so has the mask.
    pixel = float(scale.mean()) / unit
    y, x = (float(move) / unit - (pixel - 1) / 2 for move in shift)
    return pixel, (y, x)


def _refuse_other_slide(
    shape: tuple[int, ...], pixel: float, corner: tuple[float, float], slide: Slide, path: Path
) -> None:
    full = slide.levels[0].box
    for start, length, edge in zip(corner, shape, full.shape, strict=True):
        slack = max(2 * pixel, _SLACK * edge)
        if start < -slack or start + length * pixel > edge + slack:
            height, width = (round(side * pixel) for side in shape)
            y, x = map(round, corner)
            raise DataSetError(
                f"the labels cover {width}×{height} pixels from ({y}, {x}) on, "
                f"{slide.path.name} has {full.width}×{full.height}",
                path,
                "Check the scale and the unit of the store's axes.",
            )
