"""The pictures with the lowest scores, as overlays: what is true, what was found, what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.classes import Colour, distinct_colour
from wsiseg.store.disk import replace_when_complete, translate_write_errors
from wsiseg.tiling.slides.pixels import Pixels

FOLDER = "worst"

_LARGEST = 1600
"""Pixels along the longest side of what is drawn of one picture."""

_GAP = 8
_OPACITY = 0.5
_WRONG: Colour = (230, 0, 0)
_QUALITY = 92
_OURS = re.compile(r"\d{2,}-.*\.jpg")
_OUR_FOLDER = re.compile(r"\d+-.")


@dataclass(frozen=True)
class _Kept:
    miou: float
    name: str
    pixels: Pixels
    truth: Labels
    predicted: Labels


class WorstPictures:
    """Keeps the pictures with the lowest mean IoU while a data set is scored, reduced in size.

    Parameters
    ----------
    number : int
        How many to keep.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._kept: list[_Kept] = []

    def wants(self, miou: float) -> bool:
        """Tell whether a picture of this mean IoU would be kept."""
        if np.isnan(miou) or not self._number:
            return False
        return len(self._kept) < self._number or miou < self._kept[-1].miou

    def add(self, name: str, miou: float, pixels: Pixels, truth: Labels, predicted: Labels) -> None:
        """Keep a picture, in place of the best that is kept.

        Parameters
        ----------
        name : str
            Of the sample.
        miou : float
            Its mean IoU.
        pixels : ndarray
            uint8 ``(H, W, 3)``, RGB.
        truth, predicted : ndarray
            uint8 ``(H, W)``: indices of classes; 255 for none.
        """
        step = -(-max(truth.shape) // _LARGEST)
        small = [np.ascontiguousarray(each[::step, ::step]) for each in (truth, predicted)]
        height, width = small[0].shape
        shrunk = Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX)
        self._kept.append(_Kept(miou, name, np.asarray(shrunk), *small))
        self._kept.sort(key=lambda each: (each.miou, each.name))
        del self._kept[self._number :]

    def draw(self, place: Path, names: tuple[str, ...], colours: Mapping[str, Colour]) -> None:
        """Draw what is kept, the worst first: ``01-NAME.jpg``.

        Side by side stand the true classes over the picture, those that were found, and in red
        what is wrong.  Where nobody knows what is true, the picture is not covered.

        Parameters
        ----------
        place : Path
            An existing folder.
        names : tuple of str
            Of the labels.
        colours : mapping of str to tuple of int
            RGB of classes by name; others get distinct ones.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        palette = np.zeros((IGNORED + 1, 3), np.uint8)
        palette[: len(names)] = _colours_of(names, colours)
        for rank, each in enumerate(self._kept, start=1):
            path = place / f"{rank:02d}-{_file_name(each.name)}.jpg"
            with replace_when_complete(path) as unfinished:
                Image.fromarray(_draw(each, palette)).save(unfinished, "JPEG", quality=_QUALITY)


def write_worst(
    kept: Mapping[str, WorstPictures],
    folder: Path,
    names: tuple[str, ...],
    colours: Mapping[str, Colour],
) -> None:
    """Draw the worst pictures of one checkpoint or several.

    Parameters
    ----------
    kept : mapping of str to WorstPictures
        By names of folders; of several checkpoints each has one in ``worst``, see
        :func:`folder_names`.
    folder : Path
        Gets the folder ``worst``, whose earlier pictures are removed.
    names, colours
        See :meth:`WorstPictures.draw`.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    place = folder / FOLDER
    with translate_write_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        _clear(place)
        for name, pictures in kept.items():
            inside = place / name if len(kept) > 1 else place
            inside.mkdir(exist_ok=True)
            pictures.draw(inside, names, colours)


def folder_names(checkpoints: Sequence[str]) -> list[str]:
    """Return names of folders for checkpoints, which may be called alike.

    Examples
    --------
    >>> folder_names(["nuclei", "run/best.safetensors"])
    ['1-nuclei', '2-run_best.safetensors']
    """
    return [f"{number}-{_file_name(name)}" for number, name in enumerate(checkpoints, start=1)]


def _clear(place: Path) -> None:
    """Remove the pictures of an earlier evaluation, and its folders if nothing else is there."""
    folders = [each for each in place.iterdir() if each.is_dir() and _OUR_FOLDER.match(each.name)]
    for inside in (place, *folders):
        for earlier in inside.iterdir():
            if _OURS.fullmatch(earlier.name):
                earlier.unlink()
    for inside in folders:
        with suppress(OSError):
            inside.rmdir()


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)


def _colours_of(names: tuple[str, ...], given: Mapping[str, Colour]) -> list[Colour]:
    """Return a colour for each class: its own, unless it has none or a class before has it."""
    found: list[Colour] = []
    for index, name in enumerate(names):
        colour = given.get(name)
        found.append(distinct_colour(index) if colour is None or colour in found else colour)
    return found


def _draw(kept: _Kept, palette: Pixels) -> Pixels:
    known = kept.truth != IGNORED
    found = np.where(known, kept.predicted, IGNORED)
    wrong = np.zeros_like(palette)
    wrong[1] = _WRONG
    panels = [
        _cover(kept.pixels, kept.truth, palette, known),
        _cover(kept.pixels, found, palette, known & (kept.predicted != IGNORED)),
        _cover(kept.pixels, np.ones_like(found), wrong, known & (kept.predicted != kept.truth)),
    ]
    gap = np.full((len(known), _GAP, 3), 255, np.uint8)
    return np.hstack([panels[0], gap, panels[1], gap, panels[2]])


def _cover(pixels: Pixels, labels: Labels, palette: Pixels, where: npt.NDArray[np.bool_]) -> Pixels:
    """Return a picture with the colours of labels over some of its pixels."""
    mixed = pixels * (1 - _OPACITY) + palette[labels] * _OPACITY
    return np.where(where[..., None], np.rint(mixed), pixels).astype(np.uint8)
