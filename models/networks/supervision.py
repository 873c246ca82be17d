"""Logits of boundaries, which some networks give to training beside those of the classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from torch import Tensor


class LogitsWithBoundaries(tuple[Tensor, ...]):  # noqa: SLOT001 -- tuples of any length have none
    """Logits as :meth:`SegmentationNetwork.supervised` returns them, and those of boundaries.

    Parameters
    ----------
    logits : iterable of Tensor
        ``(B, classes, h, w)`` each, the main ones first.
    boundaries : Tensor
        One channel ``(B, 1, H, W)`` for a sigmoid, or two for a softmax, *boundary* last.
    """

    boundaries: Tensor

    def __new__(cls, logits: Iterable[Tensor], boundaries: Tensor) -> Self:
        """Make the tuple of logits, and put the others beside it."""
        made = super().__new__(cls, logits)
        made.boundaries = boundaries
        return made
