"""Annotations of QuPath, ASAP, ImageScope, HALO and others, as labels of working pixels.

A file is read (`reading`, with a file per program), its shapes are repaired (`repairing`), placed
on the slide (`placing`), given their classes (`class_map`), and painted into pixels (`painting`).
"""

from wsiseg.annotations.annotation import Annotation, AnnotationFile, Origin
from wsiseg.annotations.painting import ShapePainter
from wsiseg.annotations.placing import Coordinates, place
from wsiseg.annotations.polygonising import polygonise
from wsiseg.annotations.reading import read_annotations
from wsiseg.annotations.regions import read_regions
from wsiseg.annotations.tissue import read_tissue
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
    "read_tissue",
    "write_qupath",
]
