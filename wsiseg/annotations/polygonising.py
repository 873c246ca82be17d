"""Vectorises labels to polygons that follow the edges of the pixels."""

from __future__ import annotations

import numpy as np
from shapely.geometry.base import BaseGeometry

from wsiseg.annotations.labels import IGNORED, Labels
from wsiseg.annotations.tracing import AreaTracer


def polygonise(
    labels: Labels,
    slide_scale: float = 1.0,
    origin: tuple[float, float] = (0.0, 0.0),
    ignored: int = IGNORED,
) -> list[tuple[int, BaseGeometry]]:
    """Return every connected area of one label as a polygon.

    :class:`wsiseg.annotations.tracing.AreaTracer` does the same strip by strip.

    Pixels are connected by their sides.  The polygons follow the edges of the pixels exactly, with
    their holes, and share no area, so that painting them gives the labels back.

    Parameters
    ----------
    labels : ndarray
        uint8 ``(H, W)``.
    slide_scale : float
        Pixels of level 0 along one of the labels' pixels.
    origin : tuple of float
        ``(y, x)`` of the labels' corner in pixels of level 0.
    ignored : int
        The label of pixels to leave out.

    Returns
    -------
    list of (int, Polygon)
        Label and valid polygon, ``x, y`` in pixels of level 0, from top to bottom.

    Examples
    --------
    >>> labels = np.array([[0, 0, 255], [0, 0, 1]], np.uint8)
    >>> for label, polygon in polygonise(labels, slide_scale=4.0):
    ...     print(label, polygon.area, polygon.bounds)
    0 64.0 (0.0, 0.0, 8.0, 8.0)
    1 16.0 (8.0, 4.0, 12.0, 8.0)
    """
    tracer = AreaTracer(labels.shape[1], ignored=ignored)
    # With a row below in which nothing is left, all areas come at once.
    areas = tracer.add(np.pad(labels, ((0, 1), (0, 0)), constant_values=ignored))
    polygons = areas.polygons(slide_scale, origin)
    return list(zip(areas.labels.tolist(), polygons.tolist(), strict=True))
