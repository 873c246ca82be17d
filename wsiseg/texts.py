"""Text files that people and their programs save: with a byte order mark, in 8 or 16 bits."""

from __future__ import annotations

import codecs

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before that of 16 bits, with which it begins.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode_text(data: bytes) -> str:
    """Return the text in a file of UTF-8, or of UTF-16 or UTF-32; a mark at its beginning goes.

    Raises
    ------
    UnicodeDecodeError
        If it is none of these.
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
