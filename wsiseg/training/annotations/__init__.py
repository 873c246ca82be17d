"""What people drew or painted, in whatever program, as labels of working pixels."""

from wsiseg.training.annotations.annotation import Annotation, AnnotationFile, Origin
from wsiseg.training.annotations.painting import ShapePainter
from wsiseg.training.annotations.placing import Coordinates, place
from wsiseg.training.annotations.polygonising import polygonise
from wsiseg.training.annotations.reading import read_annotations
from wsiseg.training.annotations.regions import read_regions
from wsiseg.training.annotations.tissue import read_tissue
from wsiseg.training.annotations.writing import write_qupath

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
    "read_tissue",
    "write_qupath",
]
