"""What a user can ask of a run."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

from wsiseg.errors import ArgumentError
from wsiseg.tiling.blending import Blend
from wsiseg.tiling.colour import Colours
from wsiseg.tiling.slides.pixel_size import SANE_MPP

OnBadTile = Literal["fill", "fail"]
OnBadNumbers = Literal["fill", "fail"]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


@dataclass(frozen=True, kw_only=True)
class SegmentOptions:
    """Settings of :func:`wsiseg.segment`; the defaults are those of the command.

    Attributes
    ----------
    mpp : float or None
        Working resolution in µm per pixel; the checkpoint's if None.
    slide_mpp : float or None
        The slide's own resolution, where the file states none or a wrong one.
    level : int or None
        Work at this pyramid level as it is; excludes `mpp`.
    tile, halo : int or None
        Edge of a tile and margin of context, in working pixels; chosen if None.
    blend : {"crop", "gaussian", "cosine"}
        How overlaps are merged.
    tissue : str
        ``"auto"``, ``"none"``, or the path of a picture in which tissue is not black.
    roi : Path or None
        Polygons; nothing outside them is analysed.
    icc : bool
        Turn the scanner's colours into sRGB by the ICC profile in the file.
    stain : {"macenko", "reinhard", "vahadane"} or None
        How stains are normalised, if at all.
    stain_reference : Path or None
        A reference, slide or picture that they are made alike; what is common if None.
    runtime, precision, device : str
        Who runs the network; see :func:`wsiseg.models.runtimes.choose_runtime`.
    batch, readers, threads : int or None
        Tiles at a time, reading threads, CPU threads of the network; chosen if None.
    memory : int
        Bytes that the plan may need on top of the imports.
    with_image, probabilities : bool
        Also keep the slide's pixels, or the probability of every class.
    resume, overwrite : bool
        Go on with, or replace, an output that stands.
    on_bad_tile : {"fill", "fail"}
        What an unreadable tile does.
    max_bad_tiles : str
        A number or a percentage of tiles; with more unreadable ones the slide fails.
    on_bad_numbers : {"fill", "fail"}
        What NaN or infinity of the network does: such pixels are not analysed, or the slide fails.
    reader : str or None
        Who reads the slide, see :func:`wsiseg.open_slide`; chosen if None.
    """

    mpp: float | None = None
    slide_mpp: float | None = None
    level: int | None = None
    tile: int | None = None
    halo: int | None = None
    blend: Blend = "crop"
    tissue: str = "auto"
    roi: Path | None = None
    icc: bool = False
    stain: str | None = None
    stain_reference: Path | None = None
    runtime: str = "auto"
    precision: str = "auto"
    device: str = "auto"
    batch: int | None = None
    readers: int | None = None
    threads: int | None = None
    memory: int = 2 * 2**30
    with_image: bool = False
    probabilities: bool = False
    resume: bool = False
    overwrite: bool = False
    on_bad_tile: OnBadTile = "fill"
    max_bad_tiles: str = "1%"
    on_bad_numbers: OnBadNumbers = "fill"
    reader: str | None = None

    def __post_init__(self) -> None:
        if self.level is not None and self.mpp is not None:
            raise ArgumentError("`level` and `mpp` exclude each other", None, "Give one of them.")
        if self.resume and self.overwrite:
            raise ArgumentError(
                "`resume` and `overwrite` exclude each other", None, "Give one of them."
            )
        if self.blend not in ("crop", "gaussian", "cosine"):
            raise ArgumentError(
                f"there is no blend {self.blend!r}", "`blend`", "Use crop, gaussian or cosine."
            )
        if self.on_bad_tile not in ("fill", "fail"):
            raise ArgumentError(
                f"{self.on_bad_tile!r} is no way to treat a bad tile", "`on_bad_tile`"
            )
        if self.on_bad_numbers not in ("fill", "fail"):
            raise ArgumentError(
                f"{self.on_bad_numbers!r} is no way to treat pixels without numbers",
                "`on_bad_numbers`",
                "Use fill or fail.",
            )
        for name, smallest in (
            ("tile", 8),
            ("halo", 0),
            ("batch", 1),
            ("readers", 1),
            ("threads", 1),
        ):
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise ArgumentError(f"{value} is too small", f"`{name}`", f"At least {smallest}.")
        for name in ("mpp", "slide_mpp"):
            value = getattr(self, name)
            if value is not None and not SANE_MPP[0] <= value <= SANE_MPP[1]:
                raise ArgumentError(
                    f"{value:g} µm per pixel is outside {SANE_MPP[0]:g} to {SANE_MPP[1]:g}",
                    f"`{name}`",
                )
        self.bad_tiles_allowed(0)
        # What makes no sense is refused now.
        _ = self.colours

    @classmethod
    def from_names(cls, settings: Mapping[str, Any]) -> Self:
        """Take settings as a Python user writes them: paths and sizes may be text.

        Raises
        ------
        ArgumentError
            For a name that is no setting, or a value that makes no sense.
        """
        known = {field.name for field in fields(cls)}
        for name in settings:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(known))}."
                raise ArgumentError(f"there is no setting {name!r}", None, hint)
        values = dict(settings)
        for name in ("roi", "stain_reference"):
            if values.get(name) is not None:
                values[name] = Path(values[name])
        if isinstance(values.get("memory"), str):
            values["memory"] = parse_size(values["memory"])
        for name in ("tissue", "max_bad_tiles"):
            if name in values:
                values[name] = str(values[name])
        return cls(**values)

    @property
    def colours(self) -> Colours:
        """What is done to a slide's colours before the network sees them."""
        return Colours(self.icc, self.stain, self.stain_reference)

    def bad_tiles_allowed(self, tiles: int) -> int:
        """Return how many of `tiles` may be unreadable."""
        matched = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", self.max_bad_tiles)
        if not matched or (not matched[2] and "." in matched[1]):
            raise ArgumentError(
                f"{self.max_bad_tiles!r} is no number of tiles",
                "`max_bad_tiles`",
                "Give a number or a percentage, like 5 or 1%.",
            )
        if matched[2]:
            return int(tiles * float(matched[1]) / 100)
        return int(matched[1])

    def as_json(self) -> dict[str, object]:
        """Return all settings as plain values."""
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}


def parse_size(text: str) -> int:
    """Turn ``"2GiB"``, ``"800M"`` or ``"1073741824"`` into bytes.

    Raises
    ------
    ArgumentError
        For anything else.
    """
    matched = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]i?)?b?\s*", text.lower())
    if not matched:
        raise ArgumentError(f"{text!r} is no size", "`memory`", "Write it like 2GiB or 800MB.")
    return int(float(matched[1]) * _UNITS[matched[2] or ""])
