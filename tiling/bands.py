"""What a stitcher is given, predicted tiles, and what it gives, bands of finished rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from wsiseg.tiling.boxes import Box

NO_LABEL = 255
"""Label of pixels that no tile covers, or for which a network gave no numbers."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Prediction:
    """The output of a network for one tile.

    Attributes
    ----------
    labels : ndarray or None
        uint8 ``(H, W)``, class indices; 255 where the network gave no numbers.
    probabilities : ndarray or None
        uint8 ``(classes, H, W)``, 255 for 1.0; all 0 where the network gave no numbers.
    """

    labels: Bytes | None = None
    probabilities: Bytes | None = None

    def most_likely(self) -> Bytes:
        """Return the labels, from the probabilities if there is nothing else."""
        if self.labels is not None:
            return self.labels
        assert self.probabilities is not None
        labels: Bytes = self.probabilities.argmax(axis=0).astype(np.uint8)
        labels[blank_pixels(self.probabilities)] = NO_LABEL
        return labels


@dataclass(frozen=True)
class Band:
    """Finished rows.

    Attributes
    ----------
    box : Box
        Where they lie in the plane.
    labels : ndarray
        uint8 ``(height, width)``; 255 where nothing was analysed.
    probabilities : ndarray or None
        uint8 ``(classes, height, width)``, if they were asked for; 0 where nothing was analysed.
    uncertainty : ndarray or None
        uint8 ``(height, width)``, if it was asked for; 255 for 1.0, 0 where nothing was analysed.
    touched : bool
        Whether any tile reached these rows; if none did, the arrays take no memory and are
        read-only.
    """

    box: Box
    labels: Bytes
    probabilities: Bytes | None = None
    touched: bool = True
    uncertainty: Bytes | None = None

    @property
    def companions(self) -> dict[str, Bytes]:
        """What is kept beside the labels, by name."""
        kept = {"probabilities": self.probabilities, "uncertainty": self.uncertainty}
        return {name: planes for name, planes in kept.items() if planes is not None}

    @classmethod
    def empty(cls, box: Box, classes: int | None, *, uncertainty: bool = False) -> Self:
        """Return rows without tissue: labels 255, probabilities and uncertainty 0.

        Parameters
        ----------
        box : Box
            Where they lie in the plane.
        classes : int or None
            Number of classes to give probabilities of; None for no probabilities.
        uncertainty : bool
            Whether to give uncertainty as well.
        """
        nothing = np.uint8(0)
        return cls(
            box,
            np.broadcast_to(np.uint8(NO_LABEL), box.shape),
            None if classes is None else np.broadcast_to(nothing, (classes, *box.shape)),
            touched=False,
            uncertainty=np.broadcast_to(nothing, box.shape) if uncertainty else None,
        )


def blank_pixels(planes: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return where all planes are zero."""
    # Bit by bit this is several times as fast as any(axis=0).
    blank: npt.NDArray[np.bool_] = np.bitwise_or.reduce(planes, axis=0) == 0
    return blank
