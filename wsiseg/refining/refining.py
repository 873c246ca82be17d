"""Refines a mask that stands: writes a new one beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from wsiseg.annotations.labels import Labels
from wsiseg.errors import ArgumentError, OutputError, OutputExistsError
from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.mask import Mask, ignore, open_mask
from wsiseg.quantities import square_millimetres
from wsiseg.refining.keywords import RefineKeywords
from wsiseg.refining.options import RefineOptions
from wsiseg.refining.refinement import Refinement, describe_refining, plan_refinement
from wsiseg.refining.spooling import Rows, spool
from wsiseg.refining.thresholds import apply_thresholds
from wsiseg.refining.writing import cut, write_refined
from wsiseg.settings import keywords_from
from wsiseg.store.arrays import CHUNK, SHARD_WIDTH
from wsiseg.store.disk import refuse_address, replace_folder_when_complete, translate_write_errors
from wsiseg.store.masks import MaskStore, finish_mask
from wsiseg.store.metadata import PAINTED, Placement
from wsiseg.store.outputs import COMPANIONS, STORE, is_ours
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box

_SAME_PLACE = 1e-6
"""Pixels; what is left of corners after divisions."""


@dataclass(frozen=True)
class RefineResult:
    """What refining has written.

    Attributes
    ----------
    output : Path
        The new mask.
    changed_pixels : int
        How many pixels have another class than before.
    classes : tuple of dict
        What the new mask has of each class: `index`, `name`, `pixels`, and `mm2`, None if the µm
        per pixel are unknown.
    warnings : tuple of str
        What the user may not expect.
    """

    output: Path
    changed_pixels: int
    classes: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...]


@keywords_from(RefineOptions)
def refine(
    mask: str | Path,
    output: str | Path,
    *,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
    **options: Unpack[RefineKeywords],
) -> RefineResult:
    """Write a new mask: one that stands, after post-processing.

    What was not analysed stays so.  What is done, and in which order, is the same as on the way,
    with the settings of :func:`wsiseg.segment`.

    Parameters
    ----------
    mask : path
        A finished mask, ``NAME.ome.zarr``; it stays as it is.
    output : path
        The new one, ``NAME.ome.zarr``; it appears complete or not at all.
    overwrite : bool
        Whether an existing mask is replaced.
    progress : callable, optional
        Called with the share that is done, 0 to 1; may raise to cancel.
    **options
        Fields of :class:`wsiseg.refining.options.RefineOptions`, one at least.

    Returns
    -------
    RefineResult
        The new mask, and how many pixels changed.

    Raises
    ------
    ArgumentError
        If there is nothing to do, a setting is wrong, or the mask has no class of a name.
    AnnotationError
        If the mask is none, is unfinished or cannot be read, or if thresholds are given and there
        are no probabilities beside it.
    ResolutionError
        If lengths or areas are given, and the mask does not state its µm per pixel.
    OutputExistsError
        If the output exists and may not be replaced.
    OutputError
        If it cannot be written.

    Examples
    --------
    >>> import wsiseg
    >>> refined = wsiseg.refine("out/biopsy.ome.zarr", "refined.ome.zarr", min_area="20um2")
    >>> refined.output.name, refined.changed_pixels > 100
    ('refined.ome.zarr', True)
    """
    settings = RefineOptions(**options)
    if not settings.refining:
        raise ArgumentError(
            "there is nothing to do",
            None,
            "Give `threshold`, `smooth`, `fill_holes` or `min_area`.",
        )
    opened, output = open_mask(Path(mask)), Path(output)
    refuse_address(output)
    _check_output(output, opened, overwrite=overwrite)
    classes = {label: each for label, each in opened.classes.items() if 0 <= label < NO_LABEL}
    refinement = plan_refinement(settings, classes, opened.mpp, opened.store)
    if refinement.thresholds:
        opened.check_probabilities()
    told = _Progress(progress or ignore, opened.shape[0], refinement)
    with replace_folder_when_complete(output) as folder:
        store = MaskStore(folder, opened.shape, tuple(classes.values()))
        with ExitStack() as stack:
            rows = _rows_of(opened, refinement, told.rows)
            if refinement.thresholds and refinement.changes_areas:
                rows = stack.enter_context(spool(rows(), folder))
            changed = _Changes(opened)
            refined = changed.counted(refinement.run(rows, folder, told.rows))
            counts = write_refined(refined, store, max(classes, default=0) + 1)
        # The store of uncertainty stays beside the mask that it belongs to.
        dropped = (PAINTED, "uncertainty")
        notes = {name: value for name, value in opened.image.notes.items() if name not in dropped}
        notes |= describe_refining(settings, opened.image.notes.get("refined", ()))
        with translate_write_errors(output):
            name = output.name.removesuffix(STORE)
            finish_mask(folder, classes, name, _place(opened), notes=notes, heartbeat=told.again)
        told.finished()
    return RefineResult(
        output,
        changed.pixels,
        tuple(
            {
                "index": label,
                "name": each.name,
                "pixels": int(counts[label]),
                "mm2": square_millimetres(int(counts[label]), opened.mpp),
            }
            for label, each in sorted(classes.items())
        ),
        (*opened.warnings(), *refinement.warnings),
    )


class _Progress:
    """The share that is done, of rows that every step finishes."""

    def __init__(self, told: ProgressCallback, height: int, refinement: Refinement) -> None:
        self._told = told
        # Thresholds are a step, too, and the pyramid takes as long as one.
        steps = max(1, len(refinement.steps)) + bool(refinement.thresholds)
        self._all = height * (steps + 1)
        self._done = 0

    def rows(self, number: int) -> None:
        self._done += number
        self.again()

    def again(self) -> None:
        self._told(min(1.0, self._done / self._all))

    def finished(self) -> None:
        self._told(1.0)


class _Changes:
    """Counts the pixels that are not what they were."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self.pixels = 0

    def counted(self, strips: Iterator[Labels]) -> Iterator[Labels]:
        before = self._mask.strips(_ALL, height=CHUNK)
        waiting = np.empty((0, self._mask.shape[1]), np.uint8)
        for strip in strips:
            while len(waiting) < len(strip):
                waiting = np.concatenate([waiting, next(before)[1]])
            self.pixels += int(np.count_nonzero(waiting[: len(strip)] != strip))
            waiting = waiting[len(strip) :]
            yield strip


_ALL = range(NO_LABEL + 1)


def _rows_of(mask: Mask, refinement: Refinement, done: Callable[[int], None]) -> Rows:
    """Return what gives the rows of a mask, by its thresholds if there are some."""

    def read() -> Iterator[Labels]:
        for top, rows in mask.strips(_ALL, height=CHUNK):
            decided = rows.astype(np.uint8, copy=False)
            if refinement.thresholds:
                decided = _decide(mask, top, decided, refinement.thresholds)
                done(len(decided))
            yield from cut(decided)

    return read


def _decide(mask: Mask, top: int, rows: Labels, least: Mapping[int, int]) -> Labels:
    decided = np.empty_like(rows)
    for left in range(0, rows.shape[1], SHARD_WIDTH):
        part = rows[:, left : left + SHARD_WIDTH]
        box = Box(top, left, *part.shape)

        def plane(label: int, box: Box = box) -> Labels:
            return mask.probabilities_of(label, box)

        decided[:, left : left + SHARD_WIDTH] = apply_thresholds(
            part, plane, max(mask.classes) + 1, least
        )
    return decided


def _place(mask: Mask) -> Placement:
    """Return where the new mask lies: where the old one does."""
    scale = float(mask.image.notes.get("slide_scale", mask.side))
    y, x = (0.0 if abs(start) < _SAME_PLACE else start for start in mask.corner)
    return Placement(mask.mpp, scale, (y, x))


def _check_output(output: Path, mask: Mask, *, overwrite: bool) -> None:
    if not output.name.endswith(STORE) or output.name.endswith(COMPANIONS):
        raise ArgumentError(f"the name of a mask must end with {STORE}", f"`output` {output.name}")
    place, source = output.resolve(), mask.store.resolve()
    if place == source or source in place.parents or place in source.parents:
        raise OutputExistsError(
            "the output would replace the mask", output, "Choose another `output`."
        )
    if not output.parent.is_dir():
        raise OutputError("there is no such folder", output.parent)
    if not output.exists():
        return
    if not overwrite:
        raise OutputExistsError("the output already exists", output, "`overwrite` replaces it.")
    if not is_ours(output):
        raise OutputExistsError(
            "the output already exists and is not a mask that wsiseg made",
            output,
            "Choose another `output`.",
        )
