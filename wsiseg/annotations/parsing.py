"""Parses JSON and XML, with limits on size and memory."""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from pathlib import Path
from typing import Any

from defusedxml import ElementTree

from wsiseg.errors import AnnotationError
from wsiseg.text import decode_text

_MOST_BYTES = 1 << 29
"""Of a file, unpacked; a hundred thousand outlined cells take a tenth of it."""

_MOST_MEMORY = 3 << 29
"""Bytes that a file may take once it is parsed."""

_MOST_TIMES = 50
"""Bytes unpacked for one that is packed; drawings take a tenth of it."""

_PIECE = 1 << 22
_LONGEST_REASON = 200

# About what an object takes, by the character that each has one of.
_JSON_COSTS = {b"[": 90, b"{": 240, b",": 32, b'"': 32}
_XML_COSTS = {b"<": 150, b"=": 110}

_BEFORE = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n\v\f"
"""What may stand before the first sign, byte order marks and halves of blanks included."""

_DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,200}?\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_DECLARATION = re.compile(r"\s*<\?xml[^>]{0,300}\?>")
_ENCODINGS = ("utf-8", "ascii", "iso8859", "cp", "koi8", "mac", "gb", "big5", "euc", "shift_jis")
"""How the names of what may be declared begin; some others take time beyond all bounds."""

_BETWEEN = re.compile(r"[\s\x1e]*")
"""What stands between the documents of a file of several."""


class UnparsableError(ValueError):
    """A file holds neither JSON nor XML."""


def parse_file(path: Path) -> Any:
    """Return the root element of an XML file, or the content of a JSON file.

    The file may be gzipped, and in UTF-8, UTF-16 or the encoding that its XML declares.  A file of
    several JSON documents, one a line for instance, gives a list of them.

    Raises
    ------
    AnnotationError
        If it cannot be read, is empty, or would take too much memory.
    UnparsableError
        If it is neither.
    """
    try:
        text = _decode(_load(path))
        if not text:
            raise AnnotationError("the file is empty", path, "Save or export it once more.")
        if text.startswith("<"):
            return ElementTree.fromstring(_DECLARATION.sub("", text, count=1))
        return _parse_json(text)
    except AnnotationError:
        raise
    except MemoryError as error:
        raise AnnotationError(
            "the annotations take more memory than there is", path, "Divide the file."
        ) from error
    except Exception as error:
        # Whatever the parsers of XML and JSON make of it.
        raise UnparsableError(shorten(error)) from error


def shorten(error: Exception) -> str:
    """Return the message of an error, shortened to fit a line."""
    text = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    if isinstance(error, RecursionError):
        text = "it is nested too deeply"
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"


def _load(path: Path) -> bytes:
    """Return a file's bytes, unpacked; what is too large is refused while it is read."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        times = max(_MOST_BYTES >> 4, _MOST_TIMES * size)
        most = min(_MOST_BYTES, times) if packed else _MOST_BYTES
        if not packed and size > most:
            raise _too_large(most, path)
        with gzip.open(path) if packed else path.open("rb") as stream:
            pieces: list[bytes] = []
            length = cost = 0
            costs: dict[bytes, int] = {}
            while piece := stream.read(_PIECE):
                pieces.append(piece)
                length += len(piece)
                if length > most:
                    raise _too_large(most, path, " unpacked" * packed)
                costs = costs or _choose_costs(piece)
                cost += len(piece) + sum(piece.count(sign) * each for sign, each in costs.items())
                if cost > _MOST_MEMORY:
                    raise AnnotationError(
                        f"the annotations would take more than {_MOST_MEMORY / (1 << 30):g} GiB "
                        "of memory",
                        path,
                        "Divide the file.",
                    )
    except (OSError, EOFError, zlib.error) as error:
        raise AnnotationError(
            f"the annotations cannot be read: {getattr(error, 'strerror', None) or error}", path
        ) from error
    return b"".join(pieces)


def _too_large(most: int, path: Path, how: str = "") -> AnnotationError:
    return AnnotationError(
        f"the annotations take more than {most >> 20} MiB{how}", path, "Divide the file."
    )


def _choose_costs(piece: bytes) -> dict[bytes, int]:
    """Return what the signs of a file cost by how it begins; nothing while all of it is blank."""
    begins = piece.lstrip(_BEFORE)[:1]
    return (_XML_COSTS if begins == b"<" else _JSON_COSTS) if begins else {}


def _decode(data: bytes) -> str:
    declared = _DECLARED.match(data[:1000].removeprefix(codecs.BOM_UTF8))
    name = "utf-8" if declared is None else codecs.lookup(declared[1].decode("ascii")).name
    # What is declared to have 16 bits, and could be read as far as that, has 8.
    if declared is None or name.startswith(("utf-8", "utf-16")):
        text = _decode_unicode(data)
    elif name.startswith(_ENCODINGS):
        text = data.decode(name)
    else:
        raise LookupError(f"the encoding {name} is not understood")
    return text.lstrip()


def _decode_unicode(data: bytes) -> str:
    try:
        return decode_text(data)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"byte {error.start} is no {error.encoding.upper()}, and no other encoding is declared"
        ) from error


def _parse_json(text: str) -> Any:
    decoder = json.JSONDecoder()
    documents: list[Any] = []
    place = 0
    while place < len(text):
        document, place = decoder.raw_decode(text, place)
        if documents and not (isinstance(document, dict) and isinstance(documents[0], dict)):
            raise ValueError("there is more than one document")
        documents.append(document)
        between = _BETWEEN.match(text, place)
        place = place if between is None else between.end()
    return documents[0] if len(documents) == 1 else documents
