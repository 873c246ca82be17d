"""Chooses fields of a slide that are worth a look: doubtful ones, and those of rare classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from wsiseg.report.survey import Counts, Survey
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box

_FIELDS, _DOUBTFUL = 6, 3
_SHARED = 0.25
"""The largest part of a field that another may show, too: they are moved inside at the edges."""


@dataclass(frozen=True)
class Field:
    """A field and why it was chosen.

    Attributes
    ----------
    box : Box
        In pixels of the mask.
    label : int or None
        The class of which it has the most; None if it is the most uncertain.
    """

    box: Box
    label: int | None


def choose_fields(found: Survey) -> list[Field]:
    """Return some fields, the same for the same mask.

    Half of them are the most uncertain ones, where the uncertainty is known.  The others have the
    most of each class in turn, the rarest first; the commonest is seen in all of them.

    Parameters
    ----------
    found : Survey
        What is where.

    Returns
    -------
    list of Field
        At most six, which overlap little.
    """
    chosen: list[Field] = []
    if found.doubts is not None:
        _take(chosen, _ranked(found, found.doubts, None), _DOUBTFUL)
    totals = {
        label: int(counts.sum()) for label, counts in found.counts.items() if label != NO_LABEL
    }
    rare = sorted(totals, key=lambda label: (totals[label], label))
    ranks = {label: _ranked(found, found.counts[label], label) for label in rare[:-1] or rare}
    while ranks and len(chosen) < _FIELDS:
        for label in list(ranks):
            if len(chosen) < _FIELDS and not _take(chosen, ranks[label], 1):
                del ranks[label]
    return chosen


def _ranked(found: Survey, counts: Counts, label: int | None) -> Iterator[Field]:
    """Yield fields, those with the most first, as long as they have any."""
    for place in np.argsort(-counts, axis=None, kind="stable").tolist():
        row, column = divmod(place, counts.shape[1])
        if not counts[row, column]:
            return
        yield Field(found.field(row, column), label)


def _take(chosen: list[Field], ranked: Iterable[Field], wanted: int) -> bool:
    """Take the next fields that overlap those before little; tell whether there were any."""
    taken = 0
    for each in ranked:
        if all(each.box.intersection(o.box).area <= _SHARED * each.box.area for o in chosen):
            chosen.append(each)
            taken += 1
            if taken == wanted:
                break
    return taken > 0
