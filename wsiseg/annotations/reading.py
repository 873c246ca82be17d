"""Reads annotation files; the program that wrote a file is recognised by its content."""

from __future__ import annotations

from pathlib import Path

from wsiseg.annotations.annotation import AnnotationFile
from wsiseg.annotations.parsing import UnparsableError, parse_file, shorten
from wsiseg.annotations.program import Program
from wsiseg.annotations.repairing import make_annotations
from wsiseg.error_translation import translate_errors
from wsiseg.errors import AnnotationError
from wsiseg.registry import Registry

PROGRAMS: Registry[Program] = Registry(
    "annotation program",
    "wsiseg.annotation_programs",
    {
        "QuPath": "wsiseg.annotations.qupath:QUPATH",
        "GeoJSON": "wsiseg.annotations.geojson:GEOJSON",
        "ASAP": "wsiseg.annotations.asap:ASAP",
        "HALO": "wsiseg.annotations.halo:HALO",
        "ImageScope": "wsiseg.annotations.imagescope:IMAGESCOPE",
    },
)
"""The first that recognises a file reads it: the more particular ones stand before the others."""


def read_annotations(path: Path) -> AnnotationFile:
    """Read annotations of QuPath, ASAP, ImageScope or HALO, or any GeoJSON.

    The format is recognised by the content, not the file name; the file may be gzipped.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    AnnotationFile
        Valid shapes in the file's own coordinates; :func:`place` converts them to level 0.

    Raises
    ------
    AnnotationError
        If the file cannot be read, has an unknown format, is damaged, or holds no area.

    Examples
    --------
    >>> import tempfile
    >>> from shapely import box
    >>> from wsiseg.annotations import Annotation, write_qupath
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "slide.geojson")
    ...     write_qupath(path, [Annotation("gland", box(0, 0, 40, 30))])
    ...     file = read_annotations(path)
    >>> file.origin, [(each.name, each.geometry.area) for each in file.annotations]
    ('bounds', [('gland', 1200.0)])
    """
    try:
        content = parse_file(path)
    except UnparsableError as error:
        raise _unknown(path, error) from error
    program = next((each for each in PROGRAMS.values() if each.recognises(content)), None)
    if program is None:
        raise _unknown(path)
    with translate_errors(
        lambda why: AnnotationError(f"the {program.name} file cannot be used: {why}", path)
    ):
        annotations, notes = make_annotations(program.read(content))
    if not annotations:
        hint = "; ".join(notes) or "draw something, and save or export it once more"
        raise AnnotationError("the file holds no annotation", path, f"{hint[0].upper()}{hint[1:]}.")
    return AnnotationFile(path, annotations, program.origin, notes)


def _unknown(path: Path, error: Exception | None = None) -> AnnotationError:
    why = "" if error is None else f": {shorten(error)}"
    known = ", ".join(PROGRAMS)
    return AnnotationError(
        f"this is neither GeoJSON nor XML of annotations{why}", path, f"Known are {known}."
    )
