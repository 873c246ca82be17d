"""What is to be seen of a run: the overview and some fields, with what lies over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wsiseg.classes import Colour
from wsiseg.errors import AnnotationError, WsisegError
from wsiseg.exports.mask import Mask, open_mask
from wsiseg.report.charts import Tick, scale_bar
from wsiseg.report.fields import Field, choose_fields
from wsiseg.report.pages import percent
from wsiseg.report.pictures import Picture, cover, haze, jpeg, thumb, veil
from wsiseg.report.runs import Run
from wsiseg.report.sources import PixelSource, open_source
from wsiseg.report.survey import Survey, open_uncertainty, survey
from wsiseg.store.label_images import StoredValues
from wsiseg.store.metadata import NOT_ANALYSED
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.slides.pixels import Pixels

_NOT_ANALYSED_COLOUR = (128, 128, 128)
_DOUBT_COLOUR = (0, 150, 60)
"""Green, as neither haematoxylin nor eosin is."""

_DOUBT = "uncertainty"
_FIRST_OPACITY = 50

Note = Callable[[str], None]


@dataclass(frozen=True)
class Layer:
    """Something over the slide that is shown or not.

    Attributes
    ----------
    key : str
        By which the page finds its pictures.
    name : str
        As users read it.
    colour : str
        Of CSS.
    shown : bool
        Whether it is at first.
    """

    key: str
    name: str
    colour: str
    shown: bool = True


@dataclass(frozen=True)
class FieldView:
    """A field as the page shows it.

    Attributes
    ----------
    number : int
        From 1 on.
    title : str
        What is seen there.
    place : str
        Where it is on the slide.
    picture : Picture
        At full resolution.
    bar : Tick or None
        The scale bar.
    mark : tuple of float
        Left, top, width and height on the overview, in percent.
    """

    number: int
    title: str
    place: str
    picture: Picture
    bar: Tick | None
    mark: tuple[float, float, float, float]


@dataclass(frozen=True)
class Sights:
    """All pictures of a run.

    Attributes
    ----------
    overview : Picture
        The whole slide.
    bar : Tick or None
        Its scale bar.
    fields : list of FieldView
        At full resolution.
    layers : list of Layer
        What lies over them.
    thumb : str
        A small picture.
    opacity : int
        Of the layers at first, in percent.
    base : ndarray or None
        uint8 ``(h, w, 3)``: the slide in the overview.
    """

    overview: Picture
    bar: Tick | None
    fields: list[FieldView]
    layers: list[Layer]
    thumb: str
    opacity: int
    base: Pixels | None


def css_colour(colour: Colour) -> str:
    """Return a colour as CSS writes it."""
    return f"#{bytes(colour).hex()}"


def see(run: Run, slides: Path | None, note: Note) -> Sights | None:
    """Make the pictures of a run.

    Parameters
    ----------
    run : Run
        A finished one.
    slides : Path or None
        A folder in which slides are looked for, too.
    note : callable
        Called with a sentence on what is missing.

    Returns
    -------
    Sights or None
        None if there is no mask to be seen.
    """
    try:
        mask = open_mask(run.files.store)
    except WsisegError as error:
        note(f"pictures are left out: {error}")
        return None
    beside = _uncertainty(run, mask, note)
    try:
        with open_source(run, slides, note) as source:
            return _see(mask, survey(mask, beside), beside, source, note)
    except WsisegError as error:
        note(f"pictures are left out: {error}")
        return None


def _uncertainty(run: Run, mask: Mask, note: Note) -> Path | None:
    if not run.files.uncertainty.exists():
        return None
    try:
        open_uncertainty(run.files.uncertainty, mask, 0)
    except WsisegError as error:
        note(f"the uncertainty is left out: {error}")
        return None
    return run.files.uncertainty


def _see(
    mask: Mask, found: Survey, beside: Path | None, source: PixelSource | None, note: Note
) -> Sights:
    base = None
    if source is not None:
        try:
            base = np.concatenate(list(source.reduced(found.halvings, found.factor)))
        except WsisegError as error:
            note(f"the slide's pixels are left out: {error}")
            source = None
    colours = {label: entry.colour for label, entry in mask.classes.items() if label != NO_LABEL}
    if not all(set(colour) <= set(range(256)) for colour in colours.values()):
        raise AnnotationError("the store's class colours are invalid", mask.store)
    shown = {label: colour for label, colour in colours.items() if label in found.shares}
    layers = [Layer(str(k), mask.classes[k].name, css_colour(v)) for k, v in sorted(shown.items())]
    shown[NO_LABEL] = _NOT_ANALYSED_COLOUR
    if NO_LABEL in found.shares:
        layers.append(Layer(str(NO_LABEL), NOT_ANALYSED, css_colour(_NOT_ANALYSED_COLOUR)))
    veils = {str(k): veil(share, shown[k]) for k, share in found.shares.items() if k in shown}
    if found.uncertainty is not None:
        layers.append(Layer(_DOUBT, _DOUBT, css_colour(_DOUBT_COLOUR), shown=False))
        veils[_DOUBT] = haze(found.uncertainty, _DOUBT_COLOUR)
    height, width = found.shape
    doubts = None if beside is None else open_uncertainty(beside, mask, 0)
    fields = [
        _Viewer(mask, found, source, doubts, shown).view(number, field)
        for number, field in enumerate(choose_fields(found), 1)
    ]
    mpp = None if mask.mpp is None else mask.mpp * found.times
    return Sights(
        overview=Picture(height, width, None if base is None else jpeg(base), veils),
        bar=scale_bar(width, mpp),
        fields=fields,
        layers=layers,
        thumb=thumb(base, found.shares, colours),
        opacity=100 if base is None else _FIRST_OPACITY,
        base=base,
    )


@dataclass(frozen=True)
class _Viewer:
    """Makes fields at full resolution."""

    mask: Mask
    found: Survey
    source: PixelSource | None
    doubts: StoredValues | None
    colours: dict[int, Colour]

    def view(self, number: int, field: Field) -> FieldView:
        box, mask = field.box, self.mask
        place = slice(box.y, box.bottom), slice(box.x, box.right)
        labels = np.asarray(mask.image.values[place])
        layers = {
            str(label): cover(labels == label, colour)
            for label, colour in self.colours.items()
            if label in self.found.shares
        }
        doubt = None if self.doubts is None else self.doubts[place]
        if doubt is not None:
            layers[_DOUBT] = haze(doubt, _DOUBT_COLOUR)
        base = None if self.source is None else jpeg(self.source.read(box))
        plane = self.found.plane
        return FieldView(
            number=number,
            title=" · ".join(self._titles(field, labels, doubt)),
            place=self._place(box),
            picture=Picture(box.height, box.width, base, layers),
            bar=scale_bar(box.width, mask.mpp),
            mark=(
                100 * box.x / plane.width,
                100 * box.y / plane.height,
                100 * box.width / plane.width,
                100 * box.height / plane.height,
            ),
        )

    def _titles(
        self, field: Field, labels: npt.NDArray[np.uint8], doubt: npt.NDArray[np.uint8] | None
    ) -> Iterator[str]:
        """Yield what a field is shown for, that first, and what else it tells."""
        if field.label is not None:
            share = float((labels == field.label).mean())
            yield f"{self.mask.classes[field.label].name} {percent(share)}"
        if doubt is not None:
            yield f"uncertainty {doubt.mean() / 255:.2f} on the mean"

    def _place(self, box: Box) -> str:
        """Say where a field is in pixels of level 0, which other programs go to."""
        y, x = (
            corner + start * self.mask.side
            for corner, start in zip(self.mask.corner, (box.y, box.x), strict=True)
        )
        return f"x {x:.0f}, y {y:.0f} at level 0"
