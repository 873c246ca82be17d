"""What every data set is: classes, and pictures or slides with their labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wsiseg.annotations.labels import LabelSource
from wsiseg.classes import LabelClass
from wsiseg.tiling.colour import ColourOptions


@dataclass(frozen=True)
class Sample:
    """A picture or slide with its labels; both are files that nobody has opened yet.

    Attributes
    ----------
    name : str
        Its name without folder and ending.
    image : Path
        Anything that :func:`wsiseg.open_slide` opens.
    labels : LabelSource
        What is where on it.
    instances : Path or None
        A picture in which every object has a number of its own, if there is one.
    reader : str or None
        Who reads the image; chosen if None.
    colours : ColourOptions
        What is done to its colours.
    """

    name: str
    image: Path
    labels: LabelSource
    instances: Path | None = None
    reader: str | None = None
    colours: ColourOptions = field(default_factory=ColourOptions)


@dataclass(frozen=True)
class DataSet:
    """Samples that share their classes.

    Attributes
    ----------
    name : str
        What it is called in a checkpoint's card.
    classes : tuple of LabelClass
        In the order of the labels.
    samples : tuple of Sample
        In a fixed order.
    categories : mapping of str to str
        The category of each class by name, where the set groups its classes.
    sparse : bool
        Whether most of a sample may be unannotated, so that tiles are to be looked for.
    note : str or None
        What was assumed about the labels, in a sentence.
    """

    name: str
    classes: tuple[LabelClass, ...]
    samples: tuple[Sample, ...]
    categories: Mapping[str, str] = field(default_factory=dict)
    sparse: bool = False
    note: str | None = None
