"""Counts pixels and components of each class in the regions of a file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from wsiseg.annotations.annotation import Annotation
from wsiseg.annotations.labels import Labels
from wsiseg.annotations.placing import choose_transform, move_by
from wsiseg.annotations.reading import read_annotations
from wsiseg.errors import AnnotationError
from wsiseg.exports.mask import Mask
from wsiseg.store.outputs import STORE
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.regions import PolygonRasteriser

_ENDINGS = (".geojson", ".geojson.gz", ".json", ".xml", ".annotations")

_NUDGE = np.array([1e-7, 3e-8])
"""Pixels, ``x, y``; the border between two regions belongs to the one behind it, as for pixels."""


def find_regions(path: Path, mask: Mask) -> Path:
    """Return the file of regions of a mask: the given one, or that in a folder of its name.

    Parameters
    ----------
    path : Path
        A file or folder.
    mask : Mask
        Of which ``NAME.ome.zarr`` stands for ``NAME``.

    Raises
    ------
    AnnotationError
        If the folder has none.
    """
    if not path.is_dir():
        return path
    name = mask.store.name.removesuffix(STORE)
    found = next(
        (path / f"{name}{end}" for end in _ENDINGS if (path / f"{name}{end}").exists()), None
    )
    if found is None:
        raise AnnotationError(
            f"the folder has no regions for {mask.store.name}", path, f"Name them {name}.geojson."
        )
    return found


class RegionCounter:
    """Counts what lies in each region of a file, strip by strip.

    Parameters
    ----------
    path : Path
        A file that :func:`wsiseg.annotations.read_annotations` takes.
    mask : Mask
        The mask, on whose slide the regions lie.

    Attributes
    ----------
    names : list of str
        Names of the regions: their own, or those of their classes, or numbers; no two are equal.
    pixels, components : ndarray
        int64 ``(regions, 256)``: what was counted, by label.
    notes : list of str
        What was repaired, left out or decided.

    Raises
    ------
    AnnotationError
        If the file cannot be read, holds no area, or no region meets the mask.
    """

    def __init__(self, path: Path, mask: Mask) -> None:
        file = read_annotations(path)
        transform, notes = choose_transform(file, mask.scanned, mask.stretch)
        placed = move_by(file, transform, notes)
        shapes = np.empty(len(placed.annotations), object)
        shapes[:] = [each.geometry for each in placed.annotations]
        corner = np.array(mask.corner[::-1])
        self._shapes = shapely.transform(shapes, lambda points: (points - corner) / mask.side)
        self._boxes = _boxes(self._shapes, mask)
        self._drawn = [PolygonRasteriser([shape]) for shape in self._shapes]
        self._tree = shapely.STRtree(self._shapes)
        shapely.prepare(self._shapes)
        self.names = _names(placed.annotations)
        self.pixels = np.zeros((len(self.names), NO_LABEL + 1), np.int64)
        self.components = np.zeros_like(self.pixels)
        self.notes = list(placed.notes)
        missed = [self.names[k] for k, box in enumerate(self._boxes) if not box.area]
        if len(missed) == len(self.names):
            raise AnnotationError(
                "all regions lie outside the mask", path, f"Are they of {mask.slide}?"
            )
        if missed:
            more = f" and {len(missed) - 3} more" if len(missed) > 3 else ""
            self.notes.append(f"regions outside the mask: {', '.join(missed[:3])}{more}")

    def count_pixels(self, top: int, rows: Labels) -> None:
        """Count the pixels whose centre lies in a region.

        Parameters
        ----------
        top : int
            The first row.
        rows : ndarray
            uint8 ``(n, width)``.
        """
        strip = Box(top, 0, *rows.shape)
        for number, whole in enumerate(self._boxes):
            if whole.y >= strip.bottom or whole.bottom <= top:
                continue
            box = whole.intersection(strip)
            seen = rows[box.slices_in(strip)][self._drawn[number].fill(box)]
            self.pixels[number] += np.bincount(seen, minlength=NO_LABEL + 1)

    def count_components(self, labels: Labels, places: npt.NDArray[np.float64]) -> list[str]:
        """Count the components whose centroid lies in a region.

        Parameters
        ----------
        labels : ndarray
            uint8 ``(n,)``.
        places : ndarray
            float64 ``(n, 2)``: y, x of their centroids, from the mask's corner.

        Returns
        -------
        list of str
            Names of the regions of each, with semicolons if they are several.
        """
        points = shapely.points(places[:, ::-1] + _NUDGE)
        component, region = self._tree.query(points, predicate="intersects")
        np.add.at(self.components, (region, labels[component]), 1)
        found: list[list[str]] = [[] for _ in range(len(labels))]
        order = np.lexsort((region, component))
        for number, where in zip(component[order].tolist(), region[order].tolist(), strict=True):
            found[number].append(self.names[where])
        return ["; ".join(names) for names in found]


def _boxes(shapes: npt.NDArray[np.object_], mask: Mask) -> list[Box]:
    """Return the part of the mask that each shape may touch."""
    height, width = mask.shape
    frame = shapely.box(0, 0, width, height)
    meets = shapely.area(shapely.intersection(shapes, frame)) > 0
    bounds = shapely.bounds(shapes)
    low = np.clip(np.floor(bounds[:, :2]), 0, (width, height)).astype(np.int64)
    high = np.clip(np.ceil(bounds[:, 2:]), 0, (width, height)).astype(np.int64)
    corners = np.hstack([low, high]).tolist()
    return [
        Box(y, x, bottom - y, right - x) if met else Box(0, 0, 0, 0)
        for (x, y, right, bottom), met in zip(corners, meets.tolist(), strict=True)
    ]


def _names(annotations: tuple[Annotation, ...]) -> list[str]:
    """Return a name for each region, with a number where several have the same."""
    given = [
        each.title or each.name or f"region {number}" for number, each in enumerate(annotations, 1)
    ]
    often, taken, names = Counter(given), set(given), []
    used: Counter[str] = Counter()
    for name in given:
        unique = name
        while often[name] > 1 and (unique == name or unique in taken):
            used[name] += 1
            unique = f"{name} ({used[name]})"
        taken.add(unique)
        names.append(unique)
    return names
