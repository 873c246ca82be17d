"""Text: decoded from files of any Unicode encoding, escaped before it is printed; JSON."""

from __future__ import annotations

import codecs
import json
import math
import unicodedata
from collections.abc import Iterable, Mapping

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before that of 16 bits, with which it begins.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode_text(data: bytes) -> str:
    """Decode the bytes of a text file in UTF-8, UTF-16 or UTF-32; the byte order mark is removed.

    Parameters
    ----------
    data : bytes
        The whole file, with or without a byte order mark.

    Returns
    -------
    str
        The text.

    Raises
    ------
    UnicodeDecodeError
        If the bytes are in none of these encodings.

    Examples
    --------
    >>> decode_text("gland".encode("utf-16"))
    'gland'
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding)
    # What begins with a letter or bracket, as all that is read here, has its zeros elsewhere.
    if data[1:2] == b"\0" and data[:1] != b"\0":
        return data.decode("utf-16-le")
    if data[:1] == b"\0" and data[1:2] != b"\0":
        return data.decode("utf-16-be")
    return data.decode("utf-8")


def escape_unprintable(text: str) -> str:
    r"""Replace characters that could control a terminal, or hide in it, by escapes.

    Control characters, line ends, marks that change the writing direction or have no width, and
    undecodable bytes of a file name can all occur in the name of a slide or class.

    Parameters
    ----------
    text : str
        One line, or a part of one.

    Returns
    -------
    str
        The same text where it is printable, always a single line.

    Examples
    --------
    >>> print(escape_unprintable("a\x1b[31mb"))
    a\x1b[31mb
    """
    if text.isprintable():
        return text
    return "".join(_escape(character) for character in text)


def _escape(character: str) -> str:
    # Spaces of other widths belong to how some languages are written.
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")


def plural(number: int, thing: str) -> str:
    """Return a number with its noun: ``1 sample``, ``2 samples``.

    Parameters
    ----------
    number : int
        How many.
    thing : str
        Its name in the singular.
    """
    return f"{number} {thing}{'' if number == 1 else 's'}"


def describe_bytes(size: int) -> str:
    """Return a number of bytes in words.

    Examples
    --------
    >>> describe_bytes(3000), describe_bytes(3 * 2**20), describe_bytes(5 * 2**29)
    ('3 KiB', '3 MiB', '2.5 GiB')
    """
    if size < 2**20:
        return f"{-(-size // 2**10)} KiB"
    return f"{size / 2**20:.0f} MiB" if size < 2**30 else f"{size / 2**30:.1f} GiB"


def describe_seconds(seconds: float) -> str:
    """Return a time in words, as exact as an estimate is.

    Examples
    --------
    >>> [describe_seconds(each) for each in (0.4, 42, 200, 9000)]
    ['1 s', '42 s', '3 min', '2.5 h']
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def describe_sizes(shapes: Iterable[tuple[int, int]]) -> str:
    """Return sizes in pixels, given as ``(height, width)``, as users read them.

    Examples
    --------
    >>> describe_sizes([(512, 1024), (256, 256)])
    '1024×512 or 256×256 px'
    """
    return " or ".join(f"{width}×{height}" for height, width in shapes) + " px"


def dump_json(content: object, *, indent: int | None = None) -> str:
    """Return a document as JSON that every program reads: NaN and infinity become null.

    Parameters
    ----------
    content : object
        What :mod:`json` takes.
    indent : int, optional
        As :func:`json.dumps` takes it.

    Examples
    --------
    >>> dump_json({"joules": float("nan")})
    '{"joules": null}'
    """
    return json.dumps(_without_nan(content), indent=indent, allow_nan=False)


def _without_nan(content: object) -> object:
    if isinstance(content, Mapping):
        return {name: _without_nan(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_without_nan(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
