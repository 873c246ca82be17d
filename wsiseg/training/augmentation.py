"""Random changes of a tile and its labels, on 8-bit pixels, the same for the same numbers.

Pillow turns the colours and resizes; the matrix between colour and stain is scikit-image's.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter
from skimage.color import hed_from_rgb, rgb_from_hed

from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.tiling.slides.pixels import Pixels
from wsiseg.training.photometric_distortion import distort, turn_hue

Generator = np.random.Generator


@dataclass(frozen=True)
class Augmentation:
    """How much a tile may be changed; a strength of 0 leaves that out.

    Attributes
    ----------
    scale : tuple of float
        Range of magnifications.
    logarithmic : bool
        Whether half the size comes up as often as twice the size; otherwise every number alike.
    dominance : float
        Tiles whose commonest class has this share, or that have one class only, are drawn again
        up to ten times; 1 takes every tile.
    mirror, flip : bool
        Left to right, and upside down, each half of the time.
    quarter_turns : bool
        By 0, 90, 180 or 270 degrees; tiles that are not square by 0 or 180.
    brightness, contrast, saturation : float
        Factors are drawn from ``1 ± strength``.
    hue : float
        Greatest turn of the colour circle, 0.5 for half of it.
    stain : float
        Standard deviation of the logarithm by which the optical density of each of haematoxylin,
        eosin and DAB is multiplied (Ruifrok and Johnston, 2001; Tellez et al., 2018).
    white_balance : float
        Standard deviation of the logarithm by which red, green and blue are each multiplied.
    blur : float
        Greatest Gaussian radius in pixels, half of the time.
    sharpening : float
        Greatest share of the fine detail that is added once more, where nothing is blurred.
    compression : int
        Lowest JPEG quality, half of the time; 100 compresses nothing.
    photometric : bool
        Change colours as :func:`wsiseg.training.photometric_distortion.distort` does.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    logarithmic: bool = True
    dominance: float = 1.0
    mirror: bool = False
    flip: bool = False
    quarter_turns: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    stain: float = 0.0
    white_balance: float = 0.0
    blur: float = 0.0
    sharpening: float = 0.0
    compression: int = 100
    photometric: bool = False

    def magnification(self, random: Generator) -> float:
        """Draw how much larger things are to look."""
        low, high = self.scale
        where = random.random()
        return float(
            low * (high / low) ** where if self.logarithmic else low + (high - low) * where
        )

    def wants(self, labels: Labels) -> bool:
        """Tell whether a tile shows enough besides its commonest class."""
        if self.dominance == 1:
            return True
        pixels = np.bincount(labels[labels != IGNORED], minlength=1)
        return bool(pixels.max() < self.dominance * pixels.sum())

    def __call__(self, pixels: Pixels, labels: Labels, random: Generator) -> tuple[Pixels, Labels]:
        """Change a tile that has been magnified already.

        Parameters
        ----------
        pixels : ndarray
            uint8 ``(H, W, 3)``, RGB.
        labels : ndarray
            uint8 ``(H, W)``.
        random : Generator
            Decides everything.

        Returns
        -------
        tuple of ndarray
            Of the same shapes and types.
        """
        # Numbers are drawn whether they are used or not, so that settings do not shift each other.
        mirror, flip = random.random(2) < 0.5
        turns = int(random.integers(4))
        if labels.shape[0] != labels.shape[1]:
            turns &= 2
        if self.quarter_turns:
            pixels, labels = np.rot90(pixels, turns), np.rot90(labels, turns)
        if self.mirror and mirror:
            pixels, labels = pixels[:, ::-1], labels[:, ::-1]
        if self.flip and flip:
            pixels, labels = pixels[::-1], labels[::-1]
        coloured = self._recolour(np.ascontiguousarray(pixels), random)
        return coloured, np.ascontiguousarray(labels)

    def _recolour(self, pixels: Pixels, random: Generator) -> Pixels:
        factors, shift, radius = random.uniform(-1, 1, 3), random.uniform(-1, 1), random.random()
        strengths, blurred = random.normal(size=3), random.random() < 0.5
        gains, quality, compressed = random.normal(size=3), random.random(), random.random() < 0.5
        if self.stain:
            pixels = restain(pixels, np.exp(self.stain * strengths))
        if self.white_balance:
            pixels = balance_white(pixels, np.exp(self.white_balance * gains))
        picture = Image.fromarray(pixels)
        for enhance, strength, factor in (
            (ImageEnhance.Brightness, self.brightness, factors[0]),
            (ImageEnhance.Contrast, self.contrast, factors[1]),
            (ImageEnhance.Color, self.saturation, factors[2]),
        ):
            if strength:
                picture = enhance(picture).enhance(max(0.0, 1 + strength * factor))
        if self.hue:
            picture = turn_hue(picture, self.hue * shift)
        if self.blur and blurred:
            picture = picture.filter(ImageFilter.GaussianBlur(self.blur * radius))
        elif self.sharpening:
            percent = round(100 * self.sharpening * radius)
            picture = picture.filter(ImageFilter.UnsharpMask(1.0, percent, 0))
        if self.compression < 100 and compressed:
            lowest = self.compression
            picture = compress(picture, round(lowest + (100 - lowest) * quality))
        coloured = np.array(picture)
        return distort(coloured, random) if self.photometric else coloured


STREET = Augmentation(
    scale=(0.5, 2.0), mirror=True, brightness=0.3, contrast=0.3, saturation=0.3, hue=0.03
)
"""For scenes in which up is up."""

TISSUE = Augmentation(
    scale=(0.7, 1.4),
    mirror=True,
    flip=True,
    quarter_turns=True,
    brightness=0.3,
    contrast=0.2,
    saturation=0.3,
    hue=0.04,
    stain=0.3,
    white_balance=0.08,
    blur=1.0,
    sharpening=1.0,
    compression=40,
)
"""For stained sections, which have neither up nor down, and which every laboratory stains and every
scanner shows in its own way."""

PHOTOMETRIC = Augmentation(
    scale=(0.5, 2.0), logarithmic=False, dominance=0.75, mirror=True, photometric=True
)
"""For scenes as RDRNet and many others were trained, with MMSegmentation's usual settings."""

AUGMENTATIONS = {
    "street": STREET,
    "photometric": PHOTOMETRIC,
    "tissue": TISSUE,
    "none": Augmentation(),
}
"""Augmentations by the names that `augment` takes."""


def restain(pixels: Pixels, strengths: npt.NDArray[np.float64]) -> Pixels:
    """Multiply the optical densities of haematoxylin, eosin and DAB.

    Parameters
    ----------
    pixels : ndarray
        uint8 ``(..., 3)``, RGB.
    strengths : ndarray
        ``(3,)``; ones change nothing.

    Returns
    -------
    ndarray
        uint8, of the same shape.
    """
    turn = (hed_from_rgb @ np.diag(strengths) @ rgb_from_hed).astype(np.float32)
    density = _DENSITIES[pixels] @ turn
    # Rounded: half a grey level more, and cut off.
    stained = np.exp(-density) * np.float32(256.0) - np.float32(0.5)
    cut: Pixels = np.clip(stained, 0, 255).astype(np.uint8)
    return cut


_DENSITIES = -np.log((np.arange(256, dtype=np.float32) + 1) / 256)


def balance_white(pixels: Pixels, gains: npt.NDArray[np.float64]) -> Pixels:
    """Multiply red, green and blue, as another lamp or sensor would.

    Parameters
    ----------
    pixels : ndarray
        uint8 ``(..., 3)``, RGB.
    gains : ndarray
        ``(3,)``; ones change nothing.

    Returns
    -------
    ndarray
        uint8, of the same shape; what would be brighter than white is white.
    """
    levels = np.arange(256)[:, None] * gains
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    balanced: Pixels = np.stack([table[pixels[..., i], i] for i in range(3)], axis=-1)
    return balanced


def compress(picture: Image.Image, quality: int) -> Image.Image:
    """Return what JPEG makes of a picture.

    Parameters
    ----------
    picture : Image
        RGB.
    quality : int
        1 to 100.
    """
    file = io.BytesIO()
    picture.save(file, "jpeg", quality=quality)
    return Image.open(file).convert("RGB")


def resize(pixels: Pixels, labels: Labels, shape: tuple[int, int]) -> tuple[Pixels, Labels]:
    """Resize a tile, colours smoothly, labels by the nearest.

    Parameters
    ----------
    pixels, labels : ndarray
        uint8 ``(H, W, 3)`` and ``(H, W)``.
    shape : tuple of int
        ``(height, width)`` wanted.
    """
    if labels.shape == shape:
        return pixels, labels
    size = (shape[1], shape[0])
    return (
        np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)),
        np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST)),
    )
