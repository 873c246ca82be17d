"""Separating haematoxylin and eosin: the colour and the strength of both on a slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from wsiseg.tiling.colour.density import Floats, Triple, density, rgb_from_density, triple
from wsiseg.tiling.slides.pixels import Pixels

_STRONGEST = 99
"""Percentile of a stain's amount that is compared between slides."""

_SPREAD = 1.0
"""Percentile of angles that is left out at either end."""

_ALIKE = 0.999
"""Cosine of the angle between two stains that cannot be told apart."""

_WEAKEST = 0.1
"""Strength below which a stain is noise."""

_ROUNDS, _SPARSITY = 200, 0.02


@dataclass(frozen=True)
class Stains:
    """Colours and strengths of haematoxylin and eosin.

    Attributes
    ----------
    colours : tuple
        Optical density of red, green and blue per unit of haematoxylin, and of eosin; each of
        length 1.
    strengths : tuple of float
        The 99th percentile of the amount of either.
    """

    colours: tuple[Triple, Triple]
    strengths: tuple[float, float]

    def __post_init__(self) -> None:
        lengths = np.linalg.norm(np.array(self.colours), axis=1)
        sensible = [0 < strength < np.inf for strength in self.strengths]
        if not (np.isclose(lengths, 1, atol=0.01).all() and all(sensible)):
            msg = "colours of stains have length 1, and strengths are positive"
            raise ValueError(msg)

    @classmethod
    def of(cls, colours: Floats, densities: Floats) -> Self:
        """Return stains of given colours, with strengths measured on a sample of pixels.

        Parameters
        ----------
        colours : ndarray
            float32 ``(2, 3)``: optical density of red, green and blue per unit of haematoxylin, and
            of eosin; rows of length 1.
        densities : ndarray
            float32 ``(N, 3)``: optical densities of stained pixels.

        Returns
        -------
        Stains
            The strength of a stain is the 99th percentile of its amount in the sample.
        """
        amounts = _amounts(densities, colours)
        strengths = np.maximum(np.percentile(amounts, _STRONGEST, axis=0), 1e-3)
        haematoxylin, eosin = (triple(row) for row in colours)
        return cls(
            (haematoxylin, eosin), (round(float(strengths[0]), 6), round(float(strengths[1]), 6))
        )

    @property
    def are_two(self) -> bool:
        """Whether two different colours were found, both of them strong enough to be no noise."""
        haematoxylin, eosin = np.array(self.colours)
        return float(haematoxylin @ eosin) < _ALIKE and min(self.strengths) > _WEAKEST

    def restain(self, colours: Pixels, target: Stains) -> Pixels:
        """Return the colours that the same amounts of other stains would have.

        Parameters
        ----------
        colours : ndarray
            uint8 ``(N, 3)``, RGB, of a slide with the stains `self`.
        target : Stains
            Stains of the reference.

        Returns
        -------
        ndarray
            uint8 ``(N, 3)``, RGB.
        """
        amounts = _amounts(density(colours), _floats(self.colours))
        ratio = _floats(target.strengths) / _floats(self.strengths)
        return rgb_from_density(amounts * ratio @ _floats(target.colours))


REFERENCE = Stains(
    ((0.5626, 0.7201, 0.4062), (0.2159, 0.8012, 0.5581)),
    (1.9705, 1.0308),
)
"""What implementations of Macenko's method commonly aim at."""


def macenko(densities: Floats) -> Stains:
    """Find the stains as the outermost directions of the plane that most pixels lie in.

    M. Macenko et al., *A method for normalizing histology slides for quantitative analysis*, ISBI
    2009, section 2.

    Parameters
    ----------
    densities : ndarray
        float32 ``(N, 3)`` of stained pixels.
    """
    _, vectors = np.linalg.eigh(np.cov(densities.T))
    plane = vectors[:, :0:-1]
    plane = plane * np.where(plane.sum(0) < 0, -1, 1)
    angles = np.arctan2(*(densities @ plane).T[::-1])
    ends = np.percentile(angles, [_SPREAD, 100 - _SPREAD])
    colours = np.stack([np.cos(ends), np.sin(ends)], -1) @ plane.T
    return Stains.of(_ordered(colours), densities)


def vahadane(densities: Floats) -> Stains:
    """Find the stains by sparse non-negative matrix factorisation.

    A. Vahadane et al., *Structure-preserving color normalization and sparse stain separation for
    histological images*, IEEE Transactions on Medical Imaging 35, 2016, section III.  Solved by
    multiplicative updates from Macenko's colours, where the paper learns a dictionary; the amounts
    in a pixel are non-negative least squares, where the paper solves for sparse ones.

    Parameters
    ----------
    densities : ndarray
        float32 ``(N, 3)``, optical densities of stained pixels.
    """
    colours = np.maximum(np.array(macenko(densities).colours), 1e-3)
    amounts = np.maximum(_amounts(densities, colours.astype(np.float32)), 1e-3).astype(np.float64)
    for _ in range(_ROUNDS):
        amounts *= densities @ colours.T / (amounts @ (colours @ colours.T) + _SPARSITY)
        colours *= amounts.T @ densities / np.maximum(amounts.T @ amounts @ colours, 1e-9)
        lengths = np.linalg.norm(colours, axis=1)
        colours /= lengths[:, None]
        amounts *= lengths
    return Stains.of(_ordered(colours), densities)


def _floats(values: object) -> Floats:
    return np.array(values, np.float32)


def _amounts(densities: Floats, colours: Floats) -> Floats:
    """Return how much of either stain explains densities best, ``(N, 2)``, nothing negative."""
    return np.maximum(densities @ np.linalg.pinv(colours).astype(np.float32), 0)


def _ordered(colours: np.ndarray) -> Floats:
    """Return the colours of length 1, haematoxylin first, which takes more of the red light."""
    colours = np.maximum(colours, 0)
    colours = colours / np.linalg.norm(colours, axis=1, keepdims=True)
    return colours[np.argsort(-colours[:, 0])].astype(np.float32)
