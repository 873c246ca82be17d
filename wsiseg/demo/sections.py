"""Paints sections of real tissue on glass: parts of one picture, turned, bent and cut.

The glass is divided among the sections.   Each gets an outline of its own and that part of the
picture which fills the outline well and differs from what lies near.   It dims the glass as tissue
does, by its transmittance, so that the picture's own glass cannot be told from the slide's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter
from scipy import ndimage

from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides import open_slide
from wsiseg.tiling.slides.pixels import Pixels

TISSUE = Path(__file__).with_name("CMU-1-Small-Region.svs")
"""Skin, H&E, 2220×2967 pixels of 0.499 µm: OpenSlide's test data, CC0 1.0."""

_GLASS = (244, 242, 243)
_GRAIN = 0.8
_GRAIN_EDGE = 1024
_CLEAR = 243
"""The darkest of the picture's glass."""
_TISSUE = 225
"""Glass is lighter in every channel."""

_LONGEST = 3500
"""Glass with longer sides is divided."""
_DIVISIONS = (0.42, 0.58)
_FILLED = (0.8, 0.98)
_TILT = 0.4
_WAVES = ((0.4, 0.06), (0.14, 0.02), (0.045, 0.007), (0.018, 0.004))
"""Of outlines: length and height, as shares of their size."""

_MIDDLES = (0.1, 0.46), (0.3, 0.75)
"""Where in the picture and its reflection the middle of a section may lie."""
_WAYS = 120
"""Parts of the picture that are tried for a section."""
_BENDS = (1600, 45)
_THICKNESS = (0.9, 1.1)
_FRAY = 30
"""Pixels by which fibres stick out of a cut, and gaps between them reach into it."""
_SOFT = 3

_COARSE = 16
"""Pixels along one of those in which outlines are drawn."""
_MESH = 128
_RIM = 2
"""Coarse pixels around an outline, for the fibres that stick out."""

Plane = npt.NDArray[np.floating[Any]]
Random = np.random.Generator


@dataclass(frozen=True)
class _Source:
    """What sections are made of.

    Attributes
    ----------
    picture : Image
        Tissue and glass.
    tissue : ndarray
        Share of tissue in coarse pixels, in a rim of glass.
    scale : float
        Pixels of the picture along one of the slide's.
    """

    picture: Image.Image
    tissue: Plane
    scale: float


@dataclass(frozen=True)
class _Way:
    """How a section comes from the picture.

    Attributes
    ----------
    y, x : float
        What lies in its middle, in pixels of the picture.
    angle : float
        By which it is turned, in radians.
    side : int
        -1 if it lies on its face.
    scale : float
        Pixels of the picture along one of the slide's.
    """

    y: float
    x: float
    angle: float
    side: int
    scale: float

    def in_picture(self, y: Plane, x: Plane) -> tuple[Plane, Plane]:
        """Return where the picture holds points that are given from the section's middle."""
        sin, cos = math.sin(self.angle) * self.scale, math.cos(self.angle) * self.scale
        return self.y + cos * y - sin * x, self.x + self.side * (sin * y + cos * x)


def paint_sections(height: int, width: int, mpp: float, seed: int) -> Pixels:
    """Paint sections of tissue on glass.

    Parameters
    ----------
    height, width : int
        Size in pixels.
    mpp : float
        µm per pixel, to which the tissue is resampled.
    seed : int
        Seed of everything that is drawn by lot.

    Returns
    -------
    ndarray
        uint8 ``(height, width, 3)``, RGB.
    """
    random = np.random.default_rng(seed)
    source = _read_source(mpp)
    plane = _paint_glass(height, width, random)
    whole = Box(0, 0, height, width)
    laid: list[tuple[Box, _Way]] = []
    longest = max(_COARSE, min(_LONGEST, 0.7 * max(whole.shape)))
    for cell in _divide(whole, longest, random):
        place, outline = _draw_outline(cell, random)
        way = _choose_way(place, outline, source, laid, random)
        laid.append((place, way))
        section = _cut(_bend(source, place, outline, way, random), outline)
        seen = place.intersection(whole)
        part = plane[seen.slices_in(whole)]
        shown = section.crop((0, 0, seen.width, seen.height))
        part[...] = np.asarray(ImageChops.multiply(Image.fromarray(part), shown))
    return plane


def _read_source(mpp: float) -> _Source:
    with open_slide(TISSUE) as slide:
        pixels = slide.read_region(0, slide.levels[0].box)
        scale = mpp / (slide.mpp or mpp)
    # The lower edge cuts through tissue, which so goes on without a seam.
    pixels = np.concatenate([pixels, pixels[::-1]])
    tissue = Image.fromarray((pixels.min(axis=2) < _TISSUE).astype(np.uint8) * 255)
    shares = np.asarray(tissue.reduce(_COARSE), np.float32) / 255
    return _Source(Image.fromarray(pixels), np.pad(shares, 1), scale)


def _paint_glass(height: int, width: int, random: Random) -> Pixels:
    noise = random.normal(_GLASS, _GRAIN, (_GRAIN_EDGE, _GRAIN_EDGE, 3))
    grain = np.rint(noise).astype(np.uint8)
    plane = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _GRAIN_EDGE):
        for left in range(0, width, _GRAIN_EDGE):
            part = plane[top : top + _GRAIN_EDGE, left : left + _GRAIN_EDGE]
            shifted = np.roll(grain, tuple(random.integers(_GRAIN_EDGE, size=2)), (0, 1))
            part[...] = shifted[: part.shape[0], : part.shape[1]]
    return plane


def _divide(glass: Box, longest: float, random: Random) -> Iterator[Box]:
    """Yield parts of the glass whose sides are no longer than `longest`."""
    if max(glass.shape) <= longest:
        yield glass
        return
    share = random.uniform(*_DIVISIONS)
    if glass.height >= glass.width:
        cut = round(glass.height * share)
        parts = (
            Box(glass.y, glass.x, cut, glass.width),
            Box(glass.y + cut, glass.x, glass.height - cut, glass.width),
        )
    else:
        cut = round(glass.width * share)
        parts = (
            Box(glass.y, glass.x, glass.height, cut),
            Box(glass.y, glass.x + cut, glass.height, glass.width - cut),
        )
    for part in parts:
        yield from _divide(part, longest, random)


def _draw_outline(cell: Box, random: Random) -> tuple[Box, Plane]:
    """Return a place in a cell, and by how many pixels its coarse ones lie within an outline.

    The outline is an ellipse which noise of several wavelengths moves to and fro.
    """
    size = math.sqrt(cell.area)
    shape = (math.ceil(1.5 * cell.height / _COARSE), math.ceil(1.5 * cell.width / _COARSE))
    y, x = ((3 * np.arange(0.5, n) / n - 1.5).astype(np.float32) for n in shape)
    y, x, tilt = y[:, None], x[None], random.uniform(-_TILT, _TILT)
    inside = (0.8 - np.sqrt((y**2 + x**2 + 2 * tilt * y * x) / (1 - tilt**2))) * size / 2
    for wave, high in _WAVES:
        inside += size * high * _noise(shape, wave * size / _COARSE, random)
    parts, _ = ndimage.label(inside > 0)
    largest = 1 + int(np.bincount(parts.ravel())[1:].argmax())
    inside[(parts != largest) & (inside > 0)] = -1
    inside = inside[ndimage.find_objects(parts)[largest - 1]]
    filled = random.uniform(*_FILLED)
    room = [max(filled * edge - 2 * _RIM * _COARSE, edge / 4) for edge in cell.shape]
    grown = min(a / (_COARSE * b) for a, b in zip(room, inside.shape, strict=True))
    shape = max(1, int(inside.shape[0] * grown)), max(1, int(inside.shape[1] * grown))
    inside = grown * _enlarge(inside, shape)
    outline = np.pad(inside, _RIM, "linear_ramp", end_values=-_RIM * _COARSE)
    height, width = (edge * _COARSE for edge in outline.shape)
    y = cell.y + max(0, round((cell.height - height) * random.uniform(0.1, 0.9)))
    x = cell.x + max(0, round((cell.width - width) * random.uniform(0.1, 0.9)))
    return Box(y, x, height, width), outline


def _noise(shape: tuple[int, int], wave: float, random: Random) -> Plane:
    """Return smooth noise of about 1."""
    nodes = [math.ceil(2 * edge / max(wave, 2)) + 3 for edge in shape]
    return _enlarge(random.normal(0, 1.2, nodes).astype(np.float32), shape)


def _enlarge(plane: Plane, shape: tuple[int, int]) -> Plane:
    return np.array(Image.fromarray(plane).resize(shape[::-1], Image.Resampling.BICUBIC))


def _pick(shares: Plane, at_y: Plane, at_x: Plane) -> Plane:
    """Return the shares in coarse pixels at points of the picture."""
    height, width = shares.shape
    rows = (at_y // _COARSE + 1).clip(0, height - 1).astype(int)
    columns = (at_x // _COARSE + 1).clip(0, width - 1).astype(int)
    found: Plane = shares[rows, columns]
    return found


def _choose_way(
    place: Box,
    outline: Plane,
    source: _Source,
    laid: Sequence[tuple[Box, _Way]],
    random: Random,
) -> _Way:
    """Return the way that fills an outline well and least resembles what lies near."""
    rows, columns = np.nonzero(outline[::2, ::2] > 0)
    y = (rows * 2.0 * _COARSE - place.height / 2).astype(np.float32)
    x = (columns * 2.0 * _COARSE - place.width / 2).astype(np.float32)

    def merit(way: _Way) -> float:
        filled = _pick(source.tissue, *way.in_picture(y, x)).mean()
        return float(filled) - sum(_likeness(place, way, *other) for other in laid)

    edges = source.picture.height, source.picture.width
    middles = [np.array(part) * edge for part, edge in zip(_MIDDLES, edges, strict=True)]
    ways = [
        _Way(
            random.uniform(*middles[0]),
            random.uniform(*middles[1]),
            random.uniform(0, 2 * math.pi),
            int(random.choice((-1, 1))),
            source.scale,
        )
        for _ in range(_WAYS)
    ]
    return max(ways, key=merit)


def _likeness(place: Box, way: _Way, other_place: Box, other: _Way) -> float:
    far = math.hypot(place.y - other_place.y, place.x - other_place.x) / (3 * _LONGEST)
    shift = math.hypot(way.y - other.y, way.x - other.x) / 700
    turn = abs(math.sin((way.angle - other.angle) / 2)) + (way.side != other.side)
    return 0.7 * math.exp(-far - shift - turn)


def _bend(source: _Source, place: Box, outline: Plane, way: _Way, random: Random) -> Image.Image:
    """Return how much light passes through the picture at a place, 255 for all of it."""
    shape = math.ceil(place.height / _MESH) + 1, math.ceil(place.width / _MESH) + 1
    rows, columns = (
        np.rint(np.linspace(0, edge, n)) for edge, n in zip(place.shape, shape, strict=True)
    )
    wave, high = _BENDS
    down, right = (high * _noise(shape, wave / _MESH, random) for _ in range(2))
    down += rows[:, None] - place.height / 2
    right += columns[None] - place.width / 2
    at_y, at_x = way.in_picture(down, right)
    # Quadrangles outside of the outline, or without tissue, stay white.
    near = ndimage.maximum_filter(source.tissue, _MESH // _COARSE + 1)
    needed = (_enlarge(outline, shape) > -_MESH / 2) & (_pick(near, at_y, at_x) > 0)
    needed = ndimage.maximum_filter(needed, 3)
    mesh = []
    for i, j in zip(*np.nonzero(needed[:-1, :-1]), strict=True):
        box = tuple(int(each) for each in (columns[j], rows[i], columns[j + 1], rows[i + 1]))
        corners = ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))
        mesh.append((box, tuple(float(at[each]) for each in corners for at in (at_x, at_y))))
    thickness = random.uniform(*_THICKNESS)
    light = [round(255 * min(1.0, value / _CLEAR) ** thickness) for value in range(256)]
    size = place.width, place.height
    method, bicubic = Image.Transform.MESH, Image.Resampling.BICUBIC
    bent = source.picture.transform(size, method, mesh, bicubic, fillcolor=(255, 255, 255))
    return bent.point(light * 3)


def _cut(section: Image.Image, outline: Plane) -> Image.Image:
    """Return what lies within an outline, along fibres, on white."""
    # Steeper, it would be overshot.
    inside = _enlarge(outline.clip(-_RIM * _COARSE, _RIM * _COARSE), section.size[::-1])
    lightness = np.asarray(section.convert("L").filter(ImageFilter.BoxBlur(2)), np.float32) / 255
    inside += _FRAY * (0.6 - lightness)
    mask = Image.fromarray(((inside / _SOFT).clip(0, 1) * 255).astype(np.uint8))
    return Image.composite(section, Image.new("RGB", section.size, (255, 255, 255)), mask)
