"""Reads label images on disk: our masks, and those of other programs (OME-Zarr 0.4 and 0.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.errors import GroupNotFoundError

from wsiseg.classes import Colour, LabelClass, distinct_colour
from wsiseg.error_translation import translate_errors
from wsiseg.errors import AnnotationError
from wsiseg.remote.remote_path import as_place
from wsiseg.store.arrays import open_group
from wsiseg.store.metadata import LABELS, MASK, NOT_ANALYSED
from wsiseg.store.pending_reads import settle_pending_reads
from wsiseg.tiling.slides.own_stores import HOLDS, OURS

_MICROMETRES = {"nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3, "centimeter": 1e4}

_OVERVIEW = 2048
"""Pixels along the longer side of an overview, at least, where a level has so many."""

_Pair = npt.NDArray[np.float64]
_STEPS: Mapping[str, Callable[[_Pair, _Pair, _Pair], tuple[_Pair, _Pair]]] = {
    "scale": lambda scale, shift, by: (scale * by, shift * by),
    "translation": lambda scale, shift, by: (scale, shift + by),
}


@dataclass(frozen=True)
class LabelImage:
    """A label image on disk.

    Attributes
    ----------
    path : Path
        Its folder; inside an image's store if that holds it.
    levels : tuple of zarr.Array
        Integers ``(…, H, W)``, the finest first.
    classes : mapping of int to LabelClass
        The classes of the values that the store names.
    unit : str or None
        UDUNITS name of the unit of lengths; None for pixels of the slide's file.
    scale : float
        Edge of a pixel of the finest level.
    shift : tuple of float
        ``(y, x)`` of the centre of its first pixel, from that of the slide's first pixel
        (OME-Zarr 0.5 leaves the origin open; it is what our masks and napari do).
    notes : mapping
        Attributes under the key ``wsiseg``, if a run of ours wrote it.
    """

    path: Path
    levels: tuple[zarr.Array[Any], ...]
    classes: Mapping[int, LabelClass]
    unit: str | None
    scale: float
    shift: tuple[float, float]
    notes: Mapping[str, Any]

    def slide_pixel(self, mpp: float | None) -> float:
        """Return the edge of a pixel of the slide's level 0 in the store's unit.

        Parameters
        ----------
        mpp : float or None
            µm per pixel of level 0, if known; a mask of ours states the resolution it was made at.

        Raises
        ------
        AnnotationError
            If the unit is not a known length.
        """
        if self.unit is None:
            return 1.0
        if "slide_scale" in self.notes:
            return self.scale / float(self.notes["slide_scale"])
        return self.scale if mpp is None else mpp / self.micrometres

    def side_and_corner(self, slide_pixel: float) -> tuple[float, tuple[float, float]]:
        """Return where the image lies on its slide.

        Parameters
        ----------
        slide_pixel : float
            Edge of a pixel of the slide in the store's unit, see :meth:`slide_pixel`.

        Returns
        -------
        float
            Edge of a pixel of the finest level in pixels of the slide.
        tuple of float
            ``(y, x)`` of its corner in pixels of the slide.
        """
        side = self.scale / slide_pixel
        y, x = (move / slide_pixel - (side - 1) / 2 for move in self.shift)
        return side, (y, x)

    def refuse_other_pixels(self, stretch: tuple[float, float]) -> None:
        """Refuse a mask that was made when the slide's pixels had another shape.

        Parameters
        ----------
        stretch : tuple of float
            `stretch` of the opened slide's facts.

        Raises
        ------
        AnnotationError
            If the stretches differ.
        """
        if not np.allclose(self.notes.get("stretch", stretch), stretch, rtol=1e-3):
            raise AnnotationError(
                "the mask was made of this slide with pixels of another shape",
                self.path,
                "Give the `slide_mpp` and `override_mpp` of its run, or none as its run.",
            )

    @property
    def micrometres(self) -> float:
        """µm in the store's unit."""
        if self.unit not in _MICROMETRES:
            raise AnnotationError(
                f"the store's axes are measured in {self.unit}",
                self.path,
                f"Lengths in {', '.join(_MICROMETRES)} are understood, and pixels without a unit.",
            )
        return _MICROMETRES[self.unit]

    @property
    def values(self) -> StoredValues:
        """The finest level."""
        return StoredValues(self.levels[0], self.path)

    @property
    def overview(self) -> StoredValues:
        """The coarsest level whose longer side has 2048 pixels or more, or else the finest."""
        large = [level for level in self.levels if max(level.shape[-2:]) >= _OVERVIEW]
        return StoredValues((large or self.levels[:1])[-1], self.path)


class StoredValues:
    """The plane of a Zarr array, of which slices are read on demand.

    Parameters
    ----------
    array : zarr.Array
        Its last two axes are the plane.
    path : Path
        For errors.
    leading : tuple of int, optional
        Indices on the axes before; 0 on each if left out.
    """

    def __init__(
        self, array: zarr.Array[Any], path: Path, leading: tuple[int, ...] | None = None
    ) -> None:
        self._array = array
        self._path = path
        self._leading = (0,) * (array.ndim - 2) if leading is None else leading
        self.shape: tuple[int, ...] = array.shape[-2:]
        self.dtype: np.dtype[Any] = array.dtype

    def __getitem__(self, key: tuple[slice, slice]) -> npt.NDArray[Any]:
        """Return rows and columns.

        Raises
        ------
        AnnotationError
            If a chunk cannot be decoded.
        """
        place: tuple[int | slice, ...] = (*self._leading, *key)
        with translate_errors(
            lambda why: AnnotationError(
                f"the store's pixels cannot be read: {why}",
                self._path,
                "Copy it again; of a mask, 'wsiseg segment --resume' makes what is damaged again.",
            )
        ):
            try:
                return np.asarray(self._array[place])
            except BaseException:
                settle_pending_reads()
                raise


def open_label_image(path: Path) -> LabelImage:
    """Open a label image, or the one inside an image's store.

    Parameters
    ----------
    path : Path
        Folder of an OME-Zarr 0.4 or 0.5 store.

    Raises
    ------
    AnnotationError
        If it is not an OME-Zarr label image, or there are several.
    """
    path, group = _open_group(as_place(path))
    with translate_errors(
        lambda why: AnnotationError(f"the store's metadata are not those of OME-Zarr: {why}", path)
    ):
        attributes: Any = dict(group.attrs)
        ome = attributes.get("ome", attributes)
        notes = attributes.get(OURS, {})
        if HOLDS in notes:
            raise AnnotationError(f"the store holds {notes[HOLDS]}, not labels", path)
        multiscale = ome["multiscales"][0]
        datasets = multiscale["datasets"]
        scale, shift = _place(multiscale, datasets[0])
        return LabelImage(
            path=path,
            levels=tuple(_array(group, dataset["path"], path) for dataset in datasets),
            classes=_classes(ome.get("image-label", {})),
            unit=_unit(multiscale["axes"][-2:], path),
            scale=scale,
            shift=shift,
            notes=notes,
        )


def is_store(path: Path) -> bool:
    """Tell whether a folder is a Zarr group."""
    place = as_place(path)
    return any((place / name).is_file() for name in ("zarr.json", ".zgroup"))


def _open_group(path: Path) -> tuple[Path, zarr.Group]:
    with translate_errors(lambda why: AnnotationError(f"not an OME-Zarr store: {why}", path)):
        try:
            group = open_group(path)
        except (GroupNotFoundError, FileNotFoundError, NotADirectoryError) as error:
            raise AnnotationError("not an OME-Zarr label image", path) from error
        attributes: Any = dict(group.attrs)
        own = "image-label" in attributes.get("ome", attributes)
        labels = group.get(LABELS)
        inside = sorted(labels.group_keys()) if isinstance(labels, zarr.Group) else []
    if own or not inside:
        return path, group
    if MASK not in inside and len(inside) > 1:
        raise AnnotationError(
            f"the store has several label images: {', '.join(inside)}",
            path,
            f"Give the one that is meant, {path.name}/{LABELS}/{inside[0]} for instance.",
        )
    return _open_group(path / LABELS / (MASK if MASK in inside else inside[0]))


def _array(group: zarr.Group, name: str, path: Path) -> zarr.Array[Any]:
    array = group[name]
    if not isinstance(array, zarr.Array) or array.ndim < 2 or set(array.shape[:-2]) - {1}:
        raise AnnotationError("the labels are not a plane of y and x", path)
    return array


def _classes(label: Any) -> dict[int, LabelClass]:
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


def _unit(axes: Any, path: Path) -> str | None:
    names, units = [axis["name"] for axis in axes], {axis.get("unit") for axis in axes}
    if names != ["y", "x"]:
        raise AnnotationError(f"the store's last axes are {' and '.join(names)}, not y and x", path)
    if units == {None}:
        return None
    (unit, *others) = sorted(map(str, units))
    if others:
        raise AnnotationError(
            f"the store's axes are measured in {' and '.join([unit, *others])}", path
        )
    return unit


def _place(multiscale: Any, dataset: Any) -> tuple[float, tuple[float, float]]:
    """Return the edge of a pixel and the place of the first."""
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
    return float(scale.mean()), (float(shift[0]), float(shift[1]))
