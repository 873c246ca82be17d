"""What measurements return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wsiseg.measurements.tables import Table


@dataclass(frozen=True)
class ClassMeasure:
    """What one class covers.

    Attributes
    ----------
    name : str
        The class's name.
    pixels : int
        Number of pixels of the masks.
    mm2 : float or None
        Their area; None where a mask does not tell its resolution.
    share : float or None
        Share of what was analysed, 0 to 1; None if nothing was.
    components : int
        Number of connected components.
    """

    name: str
    pixels: int
    mm2: float | None
    share: float | None
    components: int


@dataclass(frozen=True)
class SlideMeasure:
    """What the classes of one mask cover.

    Attributes
    ----------
    slide : str
        File name of the slide.
    mask : Path
        The mask.
    analysed_mm2 : float or None
        The area of what was analysed; None if the mask does not tell its resolution.
    classes : tuple of ClassMeasure
        In the order of their labels.
    """

    slide: str
    mask: Path
    analysed_mm2: float | None
    classes: tuple[ClassMeasure, ...]


@dataclass(frozen=True)
class MeasureResult:
    """What was measured.

    Attributes
    ----------
    output : Path or None
        The file or folder that was written, if any.
    files : mapping of str to Path
        The file of each table.
    classes : tuple of ClassMeasure
        What each class covers in all masks together.
    slides : tuple of SlideMeasure
        The same for each mask.
    tables : mapping of str to mapping of str to ndarray
        Columns by name, by the names of the tables: ``classes``, and ``regions``, ``components``,
        ``density`` if asked for.  ``pandas.DataFrame(tables["classes"])`` makes a data frame.
    warnings : tuple of str
        What was left out or assumed.
    """

    output: Path | None
    files: Mapping[str, Path]
    classes: tuple[ClassMeasure, ...]
    slides: tuple[SlideMeasure, ...]
    tables: Mapping[str, Table]
    warnings: tuple[str, ...]


def total(slides: Sequence[SlideMeasure]) -> tuple[ClassMeasure, ...]:
    """Return what each class covers in several masks together.

    Masks may have pixels of different sizes, so shares are those of the areas, which have to be
    known of all.
    """
    if len(slides) == 1:
        return slides[0].classes
    areas = [slide.analysed_mm2 for slide in slides if slide.analysed_mm2 is not None]
    known, analysed = len(areas) == len(slides), sum(areas)
    every = [each for slide in slides for each in slide.classes]
    found = []
    for name in dict.fromkeys(each.name for each in every):
        same = [each for each in every if each.name == name]
        mm2 = sum(each.mm2 or 0.0 for each in same) if known else None
        share = None if mm2 is None or not analysed else mm2 / analysed
        pixels, components = (
            sum(getattr(each, n) for each in same) for n in ("pixels", "components")
        )
        found.append(ClassMeasure(name, pixels, mm2, share, components))
    return tuple(found)


def describe_repeated(slides: Sequence[SlideMeasure]) -> Iterator[str]:
    """Yield a warning for each slide of which several masks were measured.

    Parameters
    ----------
    slides : sequence of SlideMeasure
        What was measured, a mask each.
    """
    for name, count in Counter(slide.slide for slide in slides).items():
        if count > 1:
            yield (
                f"{count} masks are of slides called {name}; "
                "if it is the same one, sums count it more than once"
            )
