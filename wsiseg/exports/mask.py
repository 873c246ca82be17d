"""A finished mask, as exports read it: strip by strip, and placed on its slide."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from wsiseg.annotations.labels import Labels
from wsiseg.annotations.placing import CoordinateTransform
from wsiseg.classes import LabelClass
from wsiseg.error_translation import translate_errors
from wsiseg.errors import AnnotationError, ArgumentError
from wsiseg.exports.areas import ProgressCallback
from wsiseg.remote.remote_path import as_place
from wsiseg.store.arrays import open_array
from wsiseg.store.label_images import LabelImage, StoredValues, is_store, open_label_image
from wsiseg.store.metadata import LABELS, MASK
from wsiseg.store.outputs import COMPANIONS, PROBABILITIES, STORE, mask_beside
from wsiseg.store.shard_counts import SHARDS, find_missing_shards
from wsiseg.text import escape_unprintable
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box

_STRIP = 2**22
"""Pixels that are handed on at a time."""


def ignore(share: float) -> None:
    """Take no notice of progress."""


@dataclass(frozen=True)
class Mask:
    """A finished mask on disk.

    Attributes
    ----------
    store : Path
        The store that users open, which may hold the slide's image, too.
    image : LabelImage
        The mask.
    side : float
        Edge of a pixel in pixels of the slide's level 0.
    corner : tuple of float
        ``(y, x)`` of its corner in pixels of level 0.
    bounds : Box or None
        The part of level 0 that was scanned, if the slide says so.
    stretch : tuple of float
        Pixels of level 0 along one of the slide's file, ``(y, x)``.
    unnamed : set of int
        Values that were read and are no class of the mask.
    """

    store: Path
    image: LabelImage
    side: float
    corner: tuple[float, float]
    bounds: Box | None
    stretch: tuple[float, float]
    unnamed: set[int] = field(default_factory=set)

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        height, width = self.image.values.shape
        return height, width

    @property
    def classes(self) -> Mapping[int, LabelClass]:
        """The classes, by their labels."""
        return self.image.classes

    @cached_property
    def mpp(self) -> float | None:
        """µm per pixel, if the mask says so."""
        return None if self.image.unit is None else self.image.scale * self.image.micrometres

    @property
    def slide(self) -> str:
        """The file name of the slide, in characters that any format can hold."""
        return escape_unprintable(str(self.image.notes.get("slide", self.store.name)))

    def factor(self, level: int) -> float:
        """Return how many pixels of the mask lie along one of a level of its pyramid."""
        (height, width), (low, narrow) = self.shape, self.image.levels[level].shape[-2:]
        halved = 2**level
        if (-(-height // halved), -(-width // halved)) == (low, narrow):
            return float(halved)
        return max(height / low, width / narrow)

    @property
    def scanned(self) -> Box | None:
        """The scanned bounds, if the slide states some, in pixels of its file."""
        y, x = self.stretch
        return None if self.bounds is None else self.bounds.scaled(1 / y, 1 / x)

    @property
    def qupath(self) -> CoordinateTransform:
        """How QuPath counts: pixels of the file, from the corner of the scanned bounds."""
        scanned = self.scanned
        if scanned is None:
            return self.level_0
        return CoordinateTransform((scanned.y, scanned.x), self.stretch)

    @property
    def level_0(self) -> CoordinateTransform:
        """Pixels of the file, from the corner of its first."""
        return CoordinateTransform((0, 0), self.stretch)

    def labels_of(self, names: Collection[str] | None) -> tuple[int, ...]:
        """Return the labels of the classes with these names; all classes if it is None.

        Raises
        ------
        ArgumentError
            If the mask has no class of one of the names.
        """
        known = [entry.name for entry in self.classes.values()]
        for name in names or ():
            if name not in known:
                raise ArgumentError(
                    f"the mask has no class {name!r}", "`classes`", f"It has {', '.join(known)}."
                )
        return tuple(
            label
            for label, entry in sorted(self.classes.items())
            if label != NO_LABEL and (names is None or entry.name in names)
        )

    def strips(
        self,
        labels: Collection[int],
        progress: ProgressCallback = ignore,
        *,
        level: int = 0,
        height: int | None = None,
    ) -> Iterator[tuple[int, Labels]]:
        """Yield the rows of the mask, some at a time.

        Parameters
        ----------
        labels : collection of int
            Labels to keep; all others become 255.
        progress : callable
            Called with the share that is done, 0 to 1; may raise to cancel.
        level : int
            Of the pyramid.
        height : int, optional
            How many rows at a time; as many as memory bears if left out.

        Yields
        ------
        int
            The first row.
        ndarray
            uint8 ``(n, width)``.

        Raises
        ------
        AnnotationError
            If the mask cannot be read, or holds values that are no labels.
        """
        array = self.image.levels[level]
        total, width = array.shape[-2:]
        kept = _keep(labels)
        rows = height or max(1, _STRIP // width)
        # Chunks are decoded once.
        read = height or array.chunks[-2] * max(1, rows // array.chunks[-2])
        values = StoredValues(array, self.image.path)
        for first in range(0, total, read):
            block = self._read(values, slice(first, min(first + read, total)))
            for top in range(0, len(block), rows):
                strip = block[top : top + rows]
                found = self._values_in(strip)
                same = strip.dtype == np.uint8 and (kept[found] == found).all()
                yield first + top, strip if same else kept[strip]
            progress(min(first + read, total) / total)

    def rows(self, labels: Collection[int], level: int, first: int, end: int) -> Labels:
        """Return some rows of the mask.

        Parameters
        ----------
        labels : collection of int
            Labels to keep; all others become 255.
        level : int
            Of the pyramid.
        first, end : int
            The first row, and that after the last.

        Returns
        -------
        ndarray
            uint8 ``(end - first, width)``.

        Raises
        ------
        AnnotationError
            As :meth:`strips`.
        """
        values = StoredValues(self.image.levels[level], self.image.path)
        block = self._read(values, slice(first, end))
        self._values_in(block)
        kept: Labels = _keep(labels)[block]
        return kept

    def probabilities(self, top: int, labels: Labels) -> npt.NDArray[np.uint8]:
        """Return the probability of the class of each pixel.

        Parameters
        ----------
        top : int
            The first row.
        labels : ndarray
            uint8 ``(n, width)``: the labels there.

        Returns
        -------
        ndarray
            uint8 ``(n, width)``: 255 is 1; 0 where there is no class.

        Raises
        ------
        AnnotationError
            If there are no probabilities beside the mask, or they cannot be read.
        """
        found = np.zeros(labels.shape, np.uint8)
        box = Box(top, 0, *labels.shape)
        for label in set(self._values_in(labels).tolist()) - {NO_LABEL}:
            np.copyto(found, self.probabilities_of(label, box), where=labels == label)
        return found

    def probabilities_of(self, label: int, box: Box) -> npt.NDArray[np.uint8]:
        """Return the probability of a class.

        Parameters
        ----------
        label : int
            The class.
        box : Box
            Pixels of the mask.

        Returns
        -------
        ndarray
            uint8 ``(box.height, box.width)``: 255 is 1.

        Raises
        ------
        AnnotationError
            If there are no probabilities beside the mask, or they cannot be read.
        """
        plane = StoredValues(self._probabilities, self.probabilities_path, (label,))
        return plane[box.y : box.bottom, box.x : box.right]

    def check_probabilities(self) -> None:
        """Check that there are probabilities beside the mask.

        Raises
        ------
        AnnotationError
            If there are none, or those of another mask.
        """
        _ = self._probabilities

    @property
    def probabilities_path(self) -> Path:
        """Where the probabilities of the same run are, if they were kept."""
        return self.store.with_name(self.store.name.removesuffix(STORE) + PROBABILITIES)

    @cached_property
    def _probabilities(self) -> zarr.Array[Any]:
        path = self.probabilities_path
        if not is_store(path):
            raise AnnotationError(
                "there are no probabilities beside the mask",
                path,
                "'wsiseg segment --probabilities' keeps them.",
            )
        with translate_errors(
            lambda why: AnnotationError(f"the probabilities cannot be read: {why}", path)
        ):
            array = open_array(path / "0")
        if array.shape[1:] != self.shape or array.shape[0] <= max(self.classes, default=0):
            raise AnnotationError("the probabilities are those of another mask", path)
        return array

    def warnings(self) -> tuple[str, ...]:
        """Return what is to be told about what was read."""
        if not self.unnamed:
            return ()
        values = ", ".join(map(str, sorted(self.unnamed)))
        return (f"the store names no class for the values {values}; they are left out",)

    def _read(self, values: StoredValues, rows: slice) -> npt.NDArray[Any]:
        """Return rows as they are stored, if all values may be labels."""
        if values.dtype.kind not in "iu":
            raise AnnotationError(f"the mask holds {values.dtype}, not labels", self.image.path)
        block = values[rows, slice(None)]
        if values.dtype != np.uint8 and (block.min() < 0 or block.max() > NO_LABEL):
            raise AnnotationError(
                f"the mask has values outside 0 to {NO_LABEL}, which are not labels",
                self.image.path,
            )
        return block

    def _values_in(self, strip: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the values of some pixels, and note those that are no class."""
        found = np.flatnonzero(np.bincount(strip.ravel(), minlength=NO_LABEL + 1))
        # Label images of other programs need not name the ground, 0.
        known = {0, NO_LABEL, *self.classes}
        self.unnamed.update(set(found.tolist()) - known)
        return found


def _keep(labels: Collection[int]) -> Labels:
    """Return what becomes of each value: 255, if it is none of these labels."""
    kept = np.full(NO_LABEL + 1, NO_LABEL, np.uint8)
    kept[list(labels)] = list(labels)
    return kept


def open_mask(path: Path) -> Mask:
    """Open a finished mask.

    Parameters
    ----------
    path : Path
        A mask store, or one that holds the slide's image and the mask in it.

    Raises
    ------
    AnnotationError
        If it is none, or an unfinished one.

    Examples
    --------
    >>> open_mask(Path("biopsy.svs"))
    Traceback (most recent call last):
    ...
    wsiseg.errors.AnnotationError: there is no such mask (biopsy.svs).
    """
    path = as_place(path)
    _refuse_others(path)
    image = open_label_image(path)
    if not image.classes:
        raise AnnotationError("the store names no classes, so it is not a mask", path)
    lost = find_missing_shards(image.path, image.notes.get(SHARDS))
    if lost is not None:
        raise AnnotationError(
            f"the mask is damaged: {lost}",
            path,
            "Copy it again, or let 'wsiseg segment --resume' make again what is missing.",
        )
    inside = image.path.name == MASK and image.path.parent.name == LABELS
    with translate_errors(
        lambda why: AnnotationError(f"the store does not tell where the mask lies: {why}", path)
    ):
        notes = image.notes
        side, corner = image.side_and_corner(image.slide_pixel(None))
        if not (np.isfinite([side, *corner]).all() and side > 0):
            raise ValueError(f"pixels of {side:g}")
        y, x = map(float, notes.get("stretch", (1.0, 1.0)))
        return Mask(
            store=image.path.parent.parent if inside else image.path,
            image=image,
            side=side,
            corner=corner,
            bounds=None if notes.get("bounds") is None else Box(**notes["bounds"]),
            stretch=(y, x),
        )


def _refuse_others(path: Path) -> None:
    if not path.exists():
        raise AnnotationError("there is no such mask", path)
    mask = mask_beside(path)
    if mask is not None:
        likely = path.name.endswith(PROBABILITIES)
        held = "these are probabilities" if likely else "this is uncertainty"
        raise AnnotationError(f"{held}, not a mask", path, f"Give {mask.name}.")
    if is_store(path):
        return
    if any((path / array / "zarr.json").is_file() for array in ("0", f"{LABELS}/{MASK}/0")):
        raise AnnotationError(
            "the mask is unfinished", path, "Finish it by 'wsiseg segment --resume'."
        )
    inside = sorted(each.name for each in path.glob(f"*{STORE}")) if path.is_dir() else []
    masks = [name for name in inside if not name.endswith(COMPANIONS)]
    hint = f"Give a mask in it, {masks[0]} for instance." if masks else None
    kind = "a folder" if path.is_dir() else "a file"
    raise AnnotationError(f"{kind} is not a mask; masks are stores, NAME{STORE}", path, hint)
