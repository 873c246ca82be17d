"""The settings of a run; each is declared here once, with its default, bounds and help text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from wsiseg.errors import ArgumentError
from wsiseg.models.runtimes.options import COMPUTE, ComputeOptions
from wsiseg.refining.options import RefineOptions
from wsiseg.settings import Option, Settings
from wsiseg.tiling.blending import Blend
from wsiseg.tiling.colour import ColourOptions
from wsiseg.tiling.slides import READERS, Slide, open_slide
from wsiseg.tiling.slides.pixel_size import SANE_MPP
from wsiseg.tiling.uncertainty import Uncertainty

OnBadTile = Literal["fill", "fail"]
OnBadNumbers = Literal["fill", "fail"]

_WORK, _OUTPUT, _ERRORS = "Resolution, tiles, tissue", "Output", "Errors and resuming"
_SLIDES, _COLOURS = "Slides", "Colours"

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def parse_size(text: str) -> int:
    """Return a size in bytes.

    Parameters
    ----------
    text : str
        A number with or without a unit: k, M, G count by 1000, Ki, Mi, Gi by 1024.

    Raises
    ------
    ArgumentError
        If it is not a size.

    Examples
    --------
    >>> parse_size("2GiB"), parse_size("800M")
    (2147483648, 800000000)
    """
    matched = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]i?)?b?\s*", text.lower())
    if not matched:
        raise ArgumentError(f"{text!r} is not a size", "`memory`", "Write it like 2GiB or 800MB.")
    return int(float(matched[1]) * _UNITS[matched[2] or ""])


def _size(given: object) -> object:
    return parse_size(given) if isinstance(given, str) else given


_Mpp = Annotated[float, Field(ge=SANE_MPP[0], le=SANE_MPP[1])]


class SlideOptions(Settings):
    """How slides are opened, and in which colours the network sees them."""

    reader: Annotated[
        str | None,
        Field(
            description="Reader of the slide; chosen automatically if left out. wsiseg info "
            "lists those that take a slide."
        ),
        Option(_SLIDES, metavar="|".join(READERS)),
    ] = None
    icc: Annotated[
        bool,
        Field(
            description="Convert the scanner's colours to sRGB with the ICC profile in the file."
        ),
        Option(_COLOURS),
    ] = False
    stain: Annotated[
        Literal["macenko", "reinhard", "vahadane"] | None,
        Field(description="Method of stain normalisation."),
        Option(_COLOURS),
    ] = None
    stain_reference: Annotated[
        Path | None,
        Field(
            description="Stains to normalise to: a .json from wsiseg stain, a slide or a picture."
        ),
        Option(_COLOURS),
    ] = None

    @field_validator("reader")
    @classmethod
    def _is_a_reader(cls, name: str | None) -> str | None:
        return None if name is None else READERS.check(name, "`reader`")

    @property
    def colours(self) -> ColourOptions:
        """What is done to a slide's colours before the network sees them."""
        return ColourOptions(self.icc, self.stain, self.stain_reference)

    @model_validator(mode="after")
    def _colours_make_sense(self) -> Self:
        _ = self.colours
        return self


class ResolutionOptions(Settings):
    """At which resolution slides are worked on."""

    mpp: Annotated[
        _Mpp | None,
        Field(description="Working µm per pixel; the checkpoint's if left out."),
        Option(_WORK),
    ] = None
    slide_mpp: Annotated[
        _Mpp | None,
        Field(description="The slide's own µm per pixel, where the file states none."),
        Option(_WORK),
    ] = None
    override_mpp: Annotated[
        bool,
        Field(description="Let the given µm per pixel overrule what the file states."),
        Option(_WORK),
    ] = False

    @model_validator(mode="after")
    def _overrides_by_something(self) -> Self:
        if self.override_mpp and self.slide_mpp is None:
            raise ArgumentError(
                "there is no value to overrule the slide with",
                "`override_mpp`",
                "Give its µm per pixel with `slide_mpp`.",
            )
        return self


class ScaleOptions(ResolutionOptions):
    """The resolution at which pictures and slides are read: in µm, or by their own size."""

    scale: Annotated[
        float | None,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="Work at a fraction of the files' size, 0.5 for half.",
        ),
        Option(_WORK),
    ] = None


class TileOptions(Settings):
    """How a plane is cut into tiles, and how they are merged."""

    tile: Annotated[
        int | None, Field(ge=8, description="Tile edge in working pixels."), Option(_WORK)
    ] = None
    halo: Annotated[
        int | None,
        Field(ge=0, description="Margin of context around each tile, in working pixels."),
        Option(_WORK),
    ] = None
    blend: Annotated[
        Blend, Field(description="How overlaps of tiles are merged."), Option(_WORK)
    ] = "crop"
    tta: Annotated[
        bool,
        Field(
            description="Average the probabilities over eight orientations of each tile, rotated "
            "and mirrored: eight times the work."
        ),
        Option(_WORK),
    ] = False


class ForceOptions(Settings):
    """What is done about input that looks wrong."""

    force: Annotated[
        bool,
        Field(
            description="Continue although the input looks wrong: a dark-field slide, or a "
            "resolution far from the checkpoint's."
        ),
        Option(_ERRORS),
    ] = False


class SegmentOptions(
    RefineOptions, ComputeOptions, SlideOptions, TileOptions, ResolutionOptions, ForceOptions
):
    """Settings of :func:`wsiseg.segment`; the defaults are those of the command.

    Raises
    ------
    ArgumentError
        For an unknown setting, a value out of bounds, or settings that exclude each other.

    Examples
    --------
    >>> options = SegmentOptions(tile=512, memory="1GiB")
    >>> options.memory, options.blend
    (1073741824, 'crop')
    >>> options.replace(blend="gaussian").blend
    'gaussian'
    """

    level: Annotated[
        int | None, Field(description="Work at a pyramid level, without resampling."), Option(_WORK)
    ] = None
    tissue: Annotated[
        str,
        BeforeValidator(str),
        Field(
            description="Where to look for tissue; FILE is a picture of the slide in which tissue "
            "is not black. Blocks of about 64 µm that touch tissue are analysed whole."
        ),
        Option(_WORK, metavar="auto|none|FILE"),
    ] = "auto"
    roi: Annotated[
        Path | None,
        Field(description="Analyse only inside these polygons: GeoJSON, ASAP or ImageScope XML."),
        Option(_WORK),
    ] = None
    batch: Annotated[
        int | None, Field(ge=1, description="Batch size, in tiles."), Option(COMPUTE)
    ] = None
    readers: Annotated[int | None, Field(ge=1, description="Reading threads."), Option(COMPUTE)] = (
        None
    )
    memory: Annotated[
        int,
        BeforeValidator(_size),
        Field(gt=0, description="Memory budget, on top of the program itself."),
        Option(COMPUTE, metavar="SIZE", default="2GiB"),
    ] = 2 * 2**30
    with_image: Annotated[
        bool, Field(description="Also write the slide's pixels."), Option(_OUTPUT)
    ] = False
    probabilities: Annotated[
        bool, Field(description="Also keep the probability of every class."), Option(_OUTPUT)
    ] = False
    uncertainty: Annotated[
        Uncertainty | None,
        Field(
            description="Also keep how uncertain each pixel is: the entropy of its probabilities, "
            "or the margin between the best two."
        ),
        Option(_OUTPUT),
    ] = None
    resume: Annotated[bool, Field(description="Continue an interrupted run."), Option(_ERRORS)] = (
        False
    )
    overwrite: Annotated[
        bool, Field(description="Replace an existing output."), Option(_ERRORS)
    ] = False
    on_bad_tile: Annotated[
        OnBadTile, Field(description="What to do with an unreadable tile."), Option(_ERRORS)
    ] = "fill"
    on_bad_numbers: Annotated[
        OnBadNumbers,
        Field(description="What to do with pixels for which the network gives NaN or infinity."),
        Option(_ERRORS),
    ] = "fill"
    max_bad_tiles: Annotated[
        str,
        BeforeValidator(str),
        Field(description="How many unreadable tiles to allow, as a number or a percentage."),
        Option(_ERRORS),
    ] = "1%"

    @field_validator("max_bad_tiles")
    @classmethod
    def _is_a_number_of_tiles(cls, text: str) -> str:
        _count_allowed(text, 0)
        return text

    @model_validator(mode="after")
    def _exclude_each_other(self) -> Self:
        if self.level is not None and self.mpp is not None:
            raise ArgumentError("`level` and `mpp` exclude each other", None, "Give one of them.")
        if self.resume and self.overwrite:
            raise ArgumentError(
                "`resume` and `overwrite` exclude each other", None, "Give one of them."
            )
        return self

    def open_slide(self, path: Path) -> Slide:
        """Open a slide with the reader and the µm per pixel that were asked for.

        Parameters
        ----------
        path : Path
            As :func:`wsiseg.open_slide` takes it.

        Raises
        ------
        SlideError
            As :func:`wsiseg.open_slide`.
        """
        return open_slide(
            path, self.reader, slide_mpp=self.slide_mpp, override_mpp=self.override_mpp
        )

    def bad_tiles_allowed(self, tiles: int) -> int:
        """Return how many of `tiles` may be unreadable."""
        return _count_allowed(self.max_bad_tiles, tiles)

    def as_json(self) -> dict[str, object]:
        """Return all settings as plain values."""
        return self.model_dump(mode="json")


def _count_allowed(text: str, tiles: int) -> int:
    matched = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", text)
    if not matched or (not matched[2] and "." in matched[1]):
        raise ArgumentError(
            f"{text!r} is not a number of tiles",
            "`max_bad_tiles`",
            "Give a number or a percentage, like 5 or 1%.",
        )
    if matched[2]:
        return int(tiles * float(matched[1]) / 100)
    return int(matched[1])
