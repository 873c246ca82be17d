"""The protocol by which networks are measured, as settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from wsiseg.errors import ArgumentError
from wsiseg.models.runtimes.options import ComputeOptions
from wsiseg.settings import Option

_PROTOCOL = "Protocol"


def _read_sizes(given: object) -> object:
    """Return sizes in a text, ``1024x512,512x256``, as ``(height, width)`` each."""
    if not isinstance(given, str):
        return given
    return tuple(_read_size(part) for part in given.split(","))


def _read_size(text: str) -> tuple[int, int]:
    width, cross, height = text.strip().lower().replace("×", "x").partition("x")
    if not cross or not width.isdecimal() or not height.isdecimal():
        raise ArgumentError(f"{text.strip()!r} is not a size", "`sizes`", "Write it like 1024x512.")
    return int(height), int(width)


def _read_clocks(given: object) -> object:
    """Return clocks in a text, ``900,1500``, as numbers."""
    if not isinstance(given, str):
        return given
    parts = [part.strip() for part in given.split(",")]
    for part in parts:
        if not part.isdecimal():
            raise ArgumentError(
                f"{part!r} is not a clock rate", "`set_clocks`", "Write MHz: 900,1500."
            )
    return tuple(map(int, parts))


_Edge = Annotated[int, Field(ge=8, le=2**15)]


class BenchOptions(ComputeOptions):
    """Settings of :func:`bench`; the defaults are the papers' protocol.

    Examples
    --------
    >>> BenchOptions(sizes="1024x512,256x256").sizes
    ((512, 1024), (256, 256))
    """

    sizes: Annotated[
        tuple[tuple[_Edge, _Edge], ...],
        BeforeValidator(_read_sizes),
        Field(
            min_length=1,
            description="Width and height of the pictures; several are measured in turn.",
        ),
        Option(_PROTOCOL, metavar="WxH,WxH", default="1024x512"),
    ] = ((512, 1024),)
    batch: Annotated[
        int, Field(ge=1, le=1024, description="Pictures per batch."), Option(_PROTOCOL)
    ] = 1
    runs: Annotated[int, Field(ge=2, description="Measured runs."), Option(_PROTOCOL)] = 200
    warm_up: Annotated[
        int, Field(ge=0, description="Runs before the measured ones."), Option(_PROTOCOL)
    ] = 20
    set_clocks: Annotated[
        tuple[Annotated[int, Field(ge=1, le=10_000)], ...],
        BeforeValidator(_read_clocks),
        Field(description="Also measure at these GPU clocks; needs root."),
        Option(_PROTOCOL, metavar="MHZ,MHZ", default="none is set"),
    ] = ()
