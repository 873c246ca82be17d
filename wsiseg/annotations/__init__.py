"""What people drew or painted, in whatever program, as labels of working pixels."""

from wsiseg.annotations.annotation import Annotation, AnnotationFile, Origin
from wsiseg.annotations.painting import ShapePainter
from wsiseg.annotations.placing import Coordinates, place
from wsiseg.annotations.polygonising import polygonise
from wsiseg.annotations.reading import read_annotations
from wsiseg.annotations.regions import read_regions
from wsiseg.annotations.writing import write_qupath

__all__ = [
    "Annotation",
    "AnnotationFile",
    "Coordinates",
    "Origin",
    "ShapePainter",
    "place",
    "polygonise",
    "read_annotations",
    "read_regions",
    "write_qupath",
]
