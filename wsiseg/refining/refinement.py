"""The post-processing of one mask: its settings in pixels and labels, and its steps in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wsiseg.annotations.labels import Labels
from wsiseg.classes import LabelClass
from wsiseg.errors import ArgumentError, ResolutionError
from wsiseg.refining.absorbing import absorb_small_areas
from wsiseg.refining.holes import Holes, fill_holes
from wsiseg.refining.options import EVERY_CLASS, RefineOptions
from wsiseg.refining.smoothing import smooth
from wsiseg.refining.spooling import Rows, spool
from wsiseg.store.disk import Json

LARGEST_RADIUS = 256
"""Pixels.  As many rows above and below wait in memory."""

_NEARLY = 1e-9
"""An area of exactly the limit is not smaller than it, whatever the division leaves over."""


@dataclass(frozen=True)
class Refinement:
    """What is done to the labels of a mask.

    Attributes
    ----------
    thresholds : mapping of int to int
        The least probability of classes, by labels; 255 is 1.
    squared_radius : int
        Of the disc for smoothing, in pixels; 0 for none.
    holes : tuple of Holes
        Holes that are filled together.
    named_holes : tuple of Holes
        Holes of classes that were named, which are filled one class after the other.
    smallest : int
        Areas of fewer pixels are given to others; 0 for none.
    warnings : tuple of str
        What the user may not expect.
    """

    thresholds: Mapping[int, int]
    squared_radius: int
    holes: tuple[Holes, ...]
    named_holes: tuple[Holes, ...]
    smallest: int
    warnings: tuple[str, ...]

    @property
    def changes_areas(self) -> bool:
        """Whether more is to be done than :func:`apply_thresholds` does, pixel by pixel."""
        return bool(self.squared_radius or self.holes or self.named_holes or self.smallest)

    def run(self, rows: Rows, folder: Path, done: Callable[[int], None]) -> Iterator[Labels]:
        """Yield the rows of a mask, refined, but for thresholds.

        Parameters
        ----------
        rows : callable
            Gives the rows.
        folder : Path
            Where rows are kept between steps, in files that vanish.
        done : callable
            Called with the number of rows that a step has finished; may raise to cancel.

        Yields
        ------
        ndarray
            uint8 ``(n, width)``.

        Raises
        ------
        OutputError
            If the disk is full, for instance.
        """
        steps = self.steps
        with ExitStack() as stack:
            for step in steps[:-1]:
                rows = stack.enter_context(spool(_counted(step(rows), done), folder))
            yield from _counted(steps[-1](rows) if steps else rows(), done)

    @property
    def steps(self) -> list[Callable[[Rows], Iterator[Labels]]]:
        """What is done to the rows, one after the other."""
        steps: list[Callable[[Rows], Iterator[Labels]]] = []
        if self.squared_radius:
            steps.append(partial(smooth, squared_radius=self.squared_radius))
        if self.holes:
            steps.append(partial(fill_holes, holes=self.holes))
        steps += [partial(fill_holes, holes=[each]) for each in self.named_holes]
        if self.smallest:
            steps.append(partial(absorb_small_areas, pixels=self.smallest))
        return steps


def _counted(strips: Iterator[Labels], done: Callable[[int], None]) -> Iterator[Labels]:
    for strip in strips:
        yield strip
        done(len(strip))


def describe_refining(options: RefineOptions, before: Sequence[object] = ()) -> Json:
    """Return what a mask says of its post-processing, beside its other notes.

    Parameters
    ----------
    options : RefineOptions
        The user's settings.
    before : sequence
        What was done to it before.
    """
    if not options.refining:
        return {"refined": list(before)} if before else {}
    return {"refined": [*before, options.refining]}


def plan_refinement(
    options: RefineOptions, classes: Mapping[int, LabelClass], mpp: float | None, where: Path
) -> Refinement:
    """Return what the settings mean for one mask.

    Parameters
    ----------
    options : RefineOptions
        The user's settings.
    classes : mapping of int to LabelClass
        The classes of the mask, by their labels.
    mpp : float or None
        µm per pixel of the mask, if known.
    where : Path
        The mask or the slide, for errors.

    Raises
    ------
    ArgumentError
        If there is no class of a name, if all have a threshold, or the radius is too large.
    ResolutionError
        If lengths or areas are given, and µm per pixel are unknown.
    """
    measured = [name for name in ("smooth", "fill_holes", "min_area") if getattr(options, name)]
    if measured and mpp is None:
        raise ResolutionError(
            f"`{measured[0]}` is given in µm, and the µm per pixel are unknown",
            where,
            "wsiseg segment takes them as `slide_mpp`.",
        )
    labels = {entry.name: label for label, entry in sorted(classes.items(), reverse=True)}
    pixel = mpp or 1.0
    warnings = []
    squared_radius = 0
    if options.smooth is not None:
        squared_radius = math.floor((options.smooth / pixel) ** 2 * (1 + _NEARLY))
        if squared_radius > LARGEST_RADIUS**2:
            raise ArgumentError(
                f"{options.smooth:g} µm are more than {LARGEST_RADIUS} pixels of {pixel:g} µm",
                "`smooth`",
                f"Give {LARGEST_RADIUS * pixel:g}um at most.",
            )
        if not squared_radius:
            warnings.append(
                f"`smooth` is less than a pixel, which is {pixel:g} µm; it does nothing"
            )
    alike, named = _plan_holes(options.fill_holes, labels, pixel)
    smallest = 0 if options.min_area is None else _pixels(options.min_area, pixel)
    if smallest == 1:
        warnings.append(f"`min_area` is at most a pixel of {pixel**2:g} µm²; it does nothing")
    return Refinement(
        thresholds=_plan_thresholds(options.threshold, labels),
        squared_radius=squared_radius,
        holes=alike,
        named_holes=named,
        smallest=smallest if smallest > 1 else 0,
        warnings=tuple(warnings),
    )


def _plan_thresholds(
    thresholds: Mapping[str, float] | None, labels: Mapping[str, int]
) -> dict[int, int]:
    found = {
        _label_of(name, labels, "`threshold`"): max(1, math.ceil(least * 255 * (1 - _NEARLY)))
        for name, least in (thresholds or {}).items()
    }
    if found and len(found) == len(labels):
        raise ArgumentError(
            "every class has a threshold, so that a pixel may belong to none",
            "`threshold`",
            "Leave one class without.",
        )
    return found


def _plan_holes(
    areas: Mapping[str, float] | None, labels: Mapping[str, int], pixel: float
) -> tuple[tuple[Holes, ...], tuple[Holes, ...]]:
    """Return holes of every class, and of classes that were named."""
    alike: list[Holes] = []
    named: list[Holes] = []
    for name, area in (areas or {}).items():
        pixels = _pixels(area, pixel)
        if name == EVERY_CLASS:
            lower = {label: frozenset(range(label)) for label in sorted(labels.values()) if label}
            alike += [Holes(label, inside, pixels) for label, inside in lower.items()]
        else:
            label = _label_of(name, labels, "`fill_holes`")
            named.append(Holes(label, frozenset(range(255)) - {label}, pixels))
    return tuple(alike), tuple(sorted(named, key=lambda holes: holes.label))


def _label_of(name: str, labels: Mapping[str, int], where: str) -> int:
    if name not in labels:
        raise ArgumentError(
            f"there is no class {name!r}",
            where,
            f"There are {', '.join(sorted(labels, key=labels.__getitem__))}.",
        )
    return labels[name]


def _pixels(area: float, pixel: float) -> int:
    """Return how many pixels an area has at least that is not smaller than this one."""
    return math.ceil(area / pixel**2 * (1 - _NEARLY))
