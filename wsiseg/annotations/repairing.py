"""Repairs drawn shapes to valid polygons, with notes on everything that was changed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from wsiseg.annotations.annotation import Annotation
from wsiseg.annotations.complexity import ComplexityLimit
from wsiseg.annotations.program import Drawing, Ring

FARTHEST = 1e7
"""Pixels from the corner beyond which no slide reaches."""

_NAMED = 3
"""Annotations that a note names; of more it tells the number."""

_MUCH = 1_000_000
"""Pairs of edges of which it does not matter how they cross."""

_MOST_CUTS = 1_000_000
"""Pairs of a shape and an excluded region that meets it."""


@dataclass(frozen=True)
class _Flaw:
    one: str
    many: str


_FEW = _Flaw(
    "has fewer than three corners and was left out",
    "have fewer than three corners and were left out",
)
_STUB = _Flaw(
    "has a ring of fewer than three corners, which was left out",
    "have rings of fewer than three corners, which were left out",
)
_UNCLOSED = _Flaw("is not closed and was closed", "are not closed and were closed")
_CROSSING = _Flaw("crosses itself and was repaired", "cross themselves and were repaired")
_FLAT = _Flaw("covers no area and was left out", "cover no area and were left out")
_CUT_AWAY = _Flaw(
    "lies in excluded regions and was left out", "lie in excluded regions and were left out"
)
_IDLE = _Flaw("excludes nothing on its layer", "exclude nothing on their layers")


@dataclass(frozen=True)
class _Shape:
    title: str
    drawing: Drawing
    geometry: BaseGeometry


@dataclass
class _Findings:
    """The notes, gathered by kind: a file may have the same flaw ten thousand times."""

    flaws: dict[_Flaw, list[str]] = field(default_factory=lambda: defaultdict(list))
    without_area: Counter[str] = field(default_factory=Counter)

    def notes(self) -> Iterator[str]:
        for flaw, titles in self.flaws.items():
            if len(titles) == 1:
                yield f"annotation {titles[0]} {flaw.one}"
                continue
            named = ", ".join(titles[:_NAMED])
            more = f" and {len(titles) - _NAMED} more" if len(titles) > _NAMED else ""
            yield f"{len(titles)} annotations {flaw.many}: {named}{more}"
        if self.without_area:
            kinds = [f"{n} {kind}{'s' * (n > 1)}" for kind, n in self.without_area.items()]
            many = self.without_area.total() > 1
            verbs = "were left out: they have" if many else "was left out: it has"
            yield f"{', '.join(kinds)} {verbs} no area"


def make_annotations(drawings: Iterable[Drawing]) -> tuple[tuple[Annotation, ...], tuple[str, ...]]:
    """Turn drawn objects into valid shapes.

    Objects without area are left out.  Outlines that cross themselves are repaired so that all of
    the enclosed area belongs to them.  Excluded regions are cut out of their layer.

    Parameters
    ----------
    drawings : iterable of Drawing
        In painting order.

    Returns
    -------
    tuple of Annotation
        In the same order.
    tuple of str
        Notes on what was repaired or left out, one for each kind of flaw.

    Raises
    ------
    ValueError
        If a coordinate is not a number, or farther out than any slide reaches, or if a shape
        crosses itself too often to be repaired.
    """
    findings, limit = _Findings(), ComplexityLimit()
    shapes = []
    for number, drawing in enumerate(drawings, 1):
        title = f"{number}" if drawing.name is None else f"{number} ({drawing.name})"
        findings.without_area.update(drawing.without_area)
        if drawing.polygons:
            _refuse_nowhere(drawing, title)
            geometry = _build(drawing, title, findings, limit)
            if geometry is not None:
                shapes.append(_Shape(title, drawing, geometry))
    annotations = tuple(
        Annotation(
            shape.drawing.name,
            geometry,
            shape.drawing.colour,
            shape.drawing.painted,
            shape.drawing.title,
        )
        for shape, geometry in _without_excluded(shapes, findings, limit)
    )
    return annotations, tuple(findings.notes())


def _refuse_nowhere(drawing: Drawing, title: str) -> None:
    for ring in (ring for polygon in drawing.polygons for ring in polygon if len(ring)):
        farthest = np.abs(ring).max()
        if not np.isfinite(farthest):
            raise ValueError(f"annotation {title} has a coordinate that is not a number")
        if farthest > FARTHEST:
            raise ValueError(
                f"annotation {title} reaches to pixel {farthest:g}, farther than any slide"
            )


def _build(
    drawing: Drawing, title: str, findings: _Findings, limit: ComplexityLimit
) -> BaseGeometry | None:
    """Return a drawing's area as a valid geometry, or None if there is none."""
    polygons = [
        Polygon(rings[0], [ring for ring in rings[1:] if _is_ring(ring)])
        for rings in drawing.polygons
        if rings and _is_ring(rings[0])
    ]
    if not polygons:
        findings.flaws[_FEW].append(title)
        return None
    if not all(_is_ring(ring) for rings in drawing.polygons for ring in rings):
        findings.flaws[_STUB].append(title)
    if drawing.unclosed:
        findings.flaws[_UNCLOSED].append(title)
    geometry = polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)
    rings = [ring for rings in drawing.polygons for ring in rings if len(ring)]
    limit.allow_check(rings, title)
    if shapely.is_valid(geometry):
        return geometry
    limit.allow_repair(rings, title)
    repaired = _areas_of(shapely.make_valid(geometry, method="structure", keep_collapsed=False))
    findings.flaws[_CROSSING if repaired else _FLAT].append(title)
    return repaired


def _is_ring(ring: Ring) -> bool:
    return len(ring) >= 3 and len(ring) - bool((ring[0] == ring[-1]).all()) >= 3


def _areas_of(geometry: BaseGeometry) -> BaseGeometry | None:
    """Return the Polygon or MultiPolygon in a geometry, or None if it covers nothing."""
    polygons = _polygons_in(geometry)
    areas = MultiPolygon(polygons) if len(polygons) > 1 else next(iter(polygons), None)
    if areas is None or areas.is_valid:
        return areas
    # GEOS leaves parts side by side that share an edge, where outlines run back over themselves.
    return _areas_of(unite(polygons))


def unite(areas: Sequence[BaseGeometry]) -> BaseGeometry:
    """Return the union of areas.

    Parameters
    ----------
    areas : sequence of shapely geometry
        Valid polygons, ``x, y`` in pixels.
    """
    # Without a grid, GEOS now and then loses a whole area of a union that nearly touches itself.
    return shapely.union_all(areas, grid_size=1e-9)


def _polygons_in(geometry: BaseGeometry) -> list[Polygon]:
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return [part for part in parts if isinstance(part, Polygon) and part.area > 0]


def _without_excluded(
    shapes: list[_Shape], findings: _Findings, limit: ComplexityLimit
) -> Iterator[tuple[_Shape, BaseGeometry]]:
    """Yield the shapes that are not excluded, the excluded ones of their layer cut out."""
    kept = [shape for shape in shapes if not shape.drawing.excluded]
    excluded = [shape for shape in shapes if shape.drawing.excluded]
    cuts = _meetings(kept, excluded)
    useful = {other for others in cuts.values() for other in others}
    if len(useful) < len(excluded):
        findings.flaws[_IDLE] = [s.title for i, s in enumerate(excluded) if i not in useful]
    for index, shape in enumerate(kept):
        if index not in cuts:
            yield shape, shape.geometry
            continue
        others = [excluded[other].geometry for other in cuts[index]]
        if _is_much(shape.geometry, others):
            rings = shapely.get_rings(shapely.get_parts([shape.geometry, *others]))
            limit.allow_repair(map(shapely.get_coordinates, rings), shape.title)
        rest = _areas_of(shapely.difference(shape.geometry, unite(others)))
        if rest is None:
            findings.flaws[_CUT_AWAY].append(shape.title)
        else:
            yield shape, rest


def _is_much(shape: BaseGeometry, others: list[BaseGeometry]) -> bool:
    """Tell whether cutting shapes out of one may take long, if all of their edges cross."""
    corners = int(shapely.get_num_coordinates(others).sum())
    return corners * (corners + int(shapely.get_num_coordinates(shape))) > _MUCH


def _meetings(kept: list[_Shape], excluded: list[_Shape]) -> dict[int, list[int]]:
    """Return for every shape that excluded ones of its layer meet, which ones.

    Raises
    ------
    ValueError
        If there are too many.
    """
    found: dict[int, list[int]] = defaultdict(list)
    if not kept or not excluded:
        return found
    tree = shapely.STRtree([shape.geometry for shape in excluded])
    pairs = 0
    for one, shape in enumerate(kept):
        others = tree.query(shape.geometry, predicate="intersects")
        pairs += len(others)
        if pairs > _MOST_CUTS:
            raise ValueError("its excluded regions lie over too many others to be cut out")
        layers = (excluded[other].drawing.layer for other in others)
        same = [
            o
            for o, layer in zip(others.tolist(), layers, strict=True)
            if layer == shape.drawing.layer
        ]
        if same:
            found[one] = same
    return found
