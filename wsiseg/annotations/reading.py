"""Files of annotations, whichever program wrote them."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import shapely
from defusedxml import DefusedXmlException, ElementTree

from wsiseg.annotations.annotation import AnnotationFile
from wsiseg.annotations.asap import ASAP
from wsiseg.annotations.geojson import GEOJSON
from wsiseg.annotations.halo import HALO
from wsiseg.annotations.imagescope import IMAGESCOPE
from wsiseg.annotations.program import Program
from wsiseg.annotations.qupath import QUPATH
from wsiseg.annotations.repairing import make_annotations
from wsiseg.errors import AnnotationError

PROGRAMS: tuple[Program, ...] = (QUPATH, GEOJSON, ASAP, HALO, IMAGESCOPE)
"""The first that recognises a file reads it: the more particular ones stand before the others."""

_MALFORMED = (ValueError, TypeError, LookupError, OverflowError, RecursionError)
_LONGEST_REASON = 200


def read_annotations(path: Path) -> AnnotationFile:
    """Read what somebody drew in QuPath, ASAP, ImageScope or HALO, or any GeoJSON.

    The content tells what it is, not the name; it may be gzipped.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    AnnotationFile
        With coordinates as the file has them; see :func:`place`.

    Raises
    ------
    AnnotationError
        If the file cannot be read, is of no known kind, is damaged, or holds no area.
    """
    data = _load(path)
    if not data:
        raise AnnotationError("the file is empty", path, "Save or export it once more.")
    content = _parse(data, path)
    program = next((each for each in PROGRAMS if each.recognises(content)), None)
    if program is None:
        raise _unknown(path)
    try:
        annotations, notes = make_annotations(program.read(content))
    except (*_MALFORMED, shapely.errors.ShapelyError) as error:
        raise AnnotationError(
            f"the {program.name} file cannot be used: {_reason(error)}", path
        ) from error
    if not annotations:
        hint = "; ".join(notes) or "draw something, and save or export it once more"
        raise AnnotationError("the file holds no annotation", path, f"{hint[0].upper()}{hint[1:]}.")
    return AnnotationFile(path, annotations, program.origin, notes)


def _load(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise AnnotationError(
            f"the annotations cannot be read: {getattr(error, 'strerror', None) or error}", path
        ) from error
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()


def _parse(data: bytes, path: Path) -> Any:
    """Return the root element of XML, or what JSON holds."""
    try:
        if data[:1] == b"<" or data[:4] in (b"\xff\xfe<\x00", b"\xfe\xff\x00<"):
            return ElementTree.fromstring(data)
        return json.loads(data)
    except (*_MALFORMED, ParseError, DefusedXmlException) as error:
        raise _unknown(path, error) from error


def _unknown(path: Path, error: Exception | None = None) -> AnnotationError:
    why = "" if error is None else f": {_reason(error)}"
    known = ", ".join(program.name for program in PROGRAMS)
    return AnnotationError(
        f"this is neither GeoJSON nor XML of annotations{why}", path, f"Known are {known}."
    )


def _reason(error: Exception) -> str:
    text = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
