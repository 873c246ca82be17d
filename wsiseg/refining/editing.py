"""Changes rows as soon as all is known that concerns them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from wsiseg.annotations.labels import Labels
from wsiseg.refining.small_areas import Edits
from wsiseg.refining.spooling import Rows


class Editor(Protocol):
    """Looks at rows, and says later what is to be changed in them."""

    @property
    def waiting(self) -> int | None:
        """The first pixel, in reading order, that may still be changed, of those seen so far."""

    def add(self, rows: Labels) -> Edits:
        """Take the next rows, and return what is certain by now.

        Parameters
        ----------
        rows : ndarray
            uint8 ``(n, width)``.
        """

    def finish(self) -> Edits:
        """Return what is left, as there are no more rows."""


def edit(rows: Rows, editors: Sequence[Editor]) -> Iterator[Labels]:
    """Yield the rows of a mask as editors change them.

    Rows are read twice, a second time when nothing in them waits any longer, so that those between
    are not in memory.

    Parameters
    ----------
    rows : callable
        Gives the rows.
    editors : sequence of Editor
        Of two that change a pixel, the later one counts.

    Yields
    ------
    ndarray
        uint8 ``(n, width)``: the same strips.
    """
    behind = rows()
    written = seen = 0
    known: list[list[Edits]] = [[] for _ in editors]
    heights: deque[int] = deque()

    def emit(until: int) -> Iterator[Labels]:
        nonlocal written
        while heights and written + heights[0] <= until:
            heights.popleft()
            strip = next(behind)
            yield _change(strip, written * strip.shape[1], known)
            written += len(strip)

    for strip in rows():
        width = strip.shape[1]
        heights.append(len(strip))
        seen += len(strip)
        for said, editor in zip(known, editors, strict=True):
            said.append(editor.add(strip))
        waits = [editor.waiting for editor in editors]
        yield from emit(min([seen, *(pixel // width for pixel in waits if pixel is not None)]))
    for said, editor in zip(known, editors, strict=True):
        said.append(editor.finish())
    yield from emit(seen)


def _change(strip: Labels, first: int, known: list[list[Edits]]) -> Labels:
    """Return a strip, changed, and take away what was done to it."""
    last = first + strip.size
    changed: Labels | None = None
    for said in known:
        for place, edits in enumerate(said):
            here = edits.starts < last
            if not here.any():
                continue
            changed = strip.copy() if changed is None else changed
            done = edits.take(here)
            lengths = done.stops - done.starts
            # The places of all pixels of all runs.
            skipped = done.starts - first - np.concatenate([[0], np.cumsum(lengths)[:-1]])
            changed.ravel()[np.repeat(skipped, lengths) + np.arange(lengths.sum())] = np.repeat(
                done.labels, lengths
            )
            said[place] = edits.take(~here)
        said[:] = [edits for edits in said if len(edits)]
    return strip if changed is None else changed
