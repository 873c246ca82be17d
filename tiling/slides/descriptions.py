"""Pixel sizes in the ImageDescription of a TIFF: Aperio's and ImageJ's.

Aperio's is a line of text and then fields, ``|MPP = 0.4990|``; ImageJ's is a field a line, of which
*unit* tells in what its resolution tags are.
"""

from __future__ import annotations

import codecs
import re

from wsiseg.tiling.slides.lengths import number, number_and_rest, unit_in_micrometres
from wsiseg.tiling.slides.pixel_size import PixelSize

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MPP = re.compile(r"(?:^|[|;,\s])MPP\s*[=:]\s*([^|;\r\n]*)", re.IGNORECASE)
_UNIT_WORD = re.compile(r"\s*([^\s/|;,]+)")
_IMAGEJ_UNIT = re.compile(r"^unit=(.*)$", re.MULTILINE)


def text_of(value: object) -> str:
    """Return a tag's value as text, whatever bytes it is made of.

    Parameters
    ----------
    value : object
        Text, bytes that could not be decoded, several of either, or None.
    """
    if isinstance(value, tuple | list):
        return "\n".join(text_of(each) for each in value)
    if isinstance(value, str):
        return value.strip("\0")
    if not isinstance(value, bytes):
        return ""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if value.startswith(mark):
            return value.decode(encoding, "replace").strip("\0")
    try:
        return value.decode("utf-8").strip("\0")
    except UnicodeDecodeError:
        # Every byte is a character there, so that what is around a strange one is kept.
        return value.decode("latin-1").strip("\0")


def is_aperio(text: str) -> bool:
    """Tell whether a description is in Aperio's format, whoever wrote it."""
    return text.startswith("Aperio ")


def from_aperio(text: str) -> tuple[PixelSize | None, str | None]:
    """Return the pixel size of Aperio's MPP field, and a warning if it is odd.

    Of several fields the last one counts, as for OpenSlide.
    """
    stated = _MPP.findall(text)
    if not stated:
        return None, None
    sizes = [size for each in stated if (size := _micrometres(each)) is not None]
    if not sizes:
        return None, f"aperio.MPP is no number: {stated[-1].strip()[:40]!r}"
    doubt = None
    if len(set(sizes)) > 1:
        listed = ", ".join(f"{size:g}" for size in sizes[:4])
        doubt = f"aperio.MPP is stated several times ({listed}); the last is taken"
    return PixelSize(sizes[-1], sizes[-1], "aperio.MPP"), doubt


def _micrometres(text: str) -> float | None:
    value, rest = number_and_rest(text)
    if value is None:
        return None
    unit = _UNIT_WORD.match(rest)
    factor = None if unit is None else unit_in_micrometres(unit[1])
    return value if factor is None else value * factor


def from_imagej(text: str, y: object, x: object) -> PixelSize | None:
    """Return the pixel size by ImageJ's unit, where the resolution tags have no TIFF unit.

    Parameters
    ----------
    text : str
        The description.
    y, x : object
        Pixels per unit.
    """
    unit = _IMAGEJ_UNIT.search(text.replace("\r", "\n")) if text.startswith("ImageJ=") else None
    length = None if unit is None else unit_in_micrometres(unit[1])
    down, across = number(y), number(x)
    if length is None or not down or not across or down < 0 or across < 0:
        return None
    return PixelSize(length / down, length / across, "imagej.unit")
