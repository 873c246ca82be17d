"""OME-Zarr label images as a source of labels: painted in napari, or written by wsiseg."""

from __future__ import annotations

from pathlib import Path

from wsiseg.annotations.class_map import ClassMap
from wsiseg.annotations.labels import IGNORED, LabelSource
from wsiseg.annotations.raster import RasterLabels, make_lookup_table
from wsiseg.classes import LabelClass
from wsiseg.errors import DataSetError
from wsiseg.store.label_images import LabelImage, open_label_image
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.resolution import WorkingPlane, level0_mpp
from wsiseg.tiling.slides import Slide

_UNPAINTED = 0
"""What napari leaves where nobody painted, unless the store gives the value a class."""

_SLACK = 0.01
"""Share of a slide's side that rounded metadata may let a mask reach beyond it."""


class StoreLabels(LabelSource):
    """An OME-Zarr label image, placed on its slide by its scale and translation.

    Parameters
    ----------
    path : Path
        A label image, or an image with one at ``labels/``.
    class_map : ClassMap
        The class of each value, by number or by the class name in the store's properties.
    """

    def __init__(self, path: Path, class_map: ClassMap) -> None:
        super().__init__(path)
        self.class_map = class_map

    def open(self, slide: Slide, plane: WorkingPlane) -> RasterLabels:
        """Place the label image on a working plane.

        Parameters
        ----------
        slide : Slide
            Open.
        plane : WorkingPlane
            Its working plane.

        Raises
        ------
        AnnotationError, DataSetError
            If it cannot be read, has an unknown value, or is of another slide.
        """
        image = open_label_image(self.path)
        pixel, corner = place_store(image, slide)
        table = make_lookup_table(self._meanings(image))
        return RasterLabels(
            image.values,
            table,
            plane,
            self.path,
            pixel=pixel,
            corner=corner,
            overview=image.overview,
        )

    def _meanings(self, image: LabelImage) -> dict[int, int]:
        named = {value: entry.name for value, entry in image.classes.items()}
        numbered = self.class_map.values
        meanings = {NO_LABEL: IGNORED}
        if _UNPAINTED not in named:
            # A painted mask marks no regions inside which everything would be annotated.
            ground = IGNORED if self.class_map.exhaustive else self.class_map.ground
            meanings[_UNPAINTED] = ground
        # Whoever maps a number need not map its name as well.
        names = {value: name for value, name in named.items() if value not in numbered}
        return meanings | self.class_map.table(names | numbered, self.path)


def place_store(image: LabelImage, slide: Slide) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where a label image lies on its slide.

    Parameters
    ----------
    image : LabelImage
        Open.
    slide : Slide
        Open.

    Returns
    -------
    pixel, corner : tuple of float
        ``(y, x)``: pixels of level 0 along one pixel of the label image, and its corner in pixels
        of level 0.

    Raises
    ------
    AnnotationError, DataSetError
        If it was made of a slide with other pixels, or reaches beyond this slide.
    """
    image.refuse_other_pixels(slide.facts.stretch)
    unit, (y, x) = _unit(image, slide)
    side, (down, across) = image.side_and_corner(unit)
    pixel, corner = (side * y, side * x), (down * y, across * x)
    _refuse_other_slide(image.values.shape, pixel, corner, slide, image.path)
    return pixel, corner


def stored_classes(path: Path) -> tuple[LabelClass, ...]:
    """Return the classes that a label image names, in the order of their values.

    Raises
    ------
    AnnotationError
        If it is no OME-Zarr store.
    """
    return tuple(entry for _, entry in sorted(open_label_image(path).classes.items()))


def _unit(image: LabelImage, slide: Slide) -> tuple[float, tuple[float, float]]:
    """Return what a pixel measures in the unit of the store's axes, and how long it is at level 0.

    It is a pixel of level 0, or one of the slide's file where the axes have no unit.
    """
    if image.unit is None:
        return 1.0, slide.facts.stretch
    micrometres = image.micrometres
    return level0_mpp(slide) / micrometres, (1.0, 1.0)


def _refuse_other_slide(
    shape: tuple[int, ...],
    pixel: tuple[float, float],
    corner: tuple[float, float],
    slide: Slide,
    path: Path,
) -> None:
    full = slide.levels[0].box
    for start, length, side, edge in zip(corner, shape, pixel, full.shape, strict=True):
        slack = max(2 * side, _SLACK * edge)
        if start < -slack or start + length * side > edge + slack:
            height, width = (round(n * each) for n, each in zip(shape, pixel, strict=True))
            y, x = map(round, corner)
            raise DataSetError(
                f"the labels cover {width}×{height} pixels from ({y}, {x}) on, "
                f"{slide.path.name} has {full.width}×{full.height}",
                path,
                "Check the scale and the unit of the store's axes.",
            )
