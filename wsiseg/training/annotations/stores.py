"""Masks painted in napari, or written by ``wsiseg segment``: OME-Zarr label images."""

from __future__ import annotations

from pathlib import Path

from wsiseg.errors import DataSetError
from wsiseg.models.class_sets import LabelClass
from wsiseg.store.label_images import LabelImage, open_label_image
from wsiseg.tiling.resolution import WorkingPlane, level0_mpp
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.stitching import UNSEEN
from wsiseg.training.annotations.class_map import ClassMap
from wsiseg.training.annotations.gridded import GriddedLabels, make_table
from wsiseg.training.annotations.labels import IGNORED, LabelSource

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
        What its values mean, by the numbers or by the class names in its properties.
    """

    def __init__(self, path: Path, class_map: ClassMap) -> None:
        super().__init__(path)
        self.class_map = class_map

    def open(self, slide: Slide, plane: WorkingPlane) -> GriddedLabels:
        """Lay the store over a plane; see :class:`LabelSource`."""
        image = open_label_image(self.path)
        values = image.values
        unit = _unit(image, slide, plane)
        pixel = image.scale / unit
        y, x = (move / unit - (pixel - 1) / 2 for move in image.shift)
        corner = (y, x)
        _refuse_other_slide(values.shape, pixel, corner, slide, self.path)
        table = make_table(self._meanings(image))
        return GriddedLabels(values, table, plane, self.path, pixel=pixel, corner=corner)

    def _meanings(self, image: LabelImage) -> dict[int, int]:
        named = {value: entry.name for value, entry in image.classes.items()}
        numbered = self.class_map.values
        meanings = {UNSEEN: IGNORED}
        if _UNPAINTED not in named:
            # A painted mask marks no regions inside which everything would be annotated.
            ground = IGNORED if self.class_map.exhaustive else self.class_map.ground
            meanings[_UNPAINTED] = ground
        # Whoever maps a number need not map its name as well.
        names = {value: name for value, name in named.items() if value not in numbered}
        return meanings | self.class_map.table(names | numbered, self.path)


def stored_classes(path: Path) -> tuple[LabelClass, ...]:
    """Return the classes that a label image names, in the order of their values.

    Raises
    ------
    AnnotationError
        If it is no OME-Zarr store.
    """
    return tuple(entry for _, entry in sorted(open_label_image(path).classes.items()))


def _unit(image: LabelImage, slide: Slide, plane: WorkingPlane) -> float:
    """Return what one pixel of the slide's level 0 measures in the unit of the store's axes."""
    if image.unit is None:
        return 1.0
    micrometres = image.micrometres
    # A plane that was laid with --slide-mpp knows better than the file.
    mpp = level0_mpp(slide) if plane.mpp is None else plane.mpp / plane.slide_scale
    return mpp / micrometres


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
