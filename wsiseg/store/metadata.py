"""The ``ome`` attributes of OME-Zarr 0.5, as plain dictionaries.

The one place that knows the format's version: https://ngff.openmicroscopy.org/0.5/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wsiseg.classes import LabelClass
from wsiseg.store.disk import Json
from wsiseg.tiling.bands import NO_LABEL

VERSION = "0.5"
NOT_ANALYSED = "not analysed"

LABELS, MASK = "labels", "segmentation"
"""Path of the mask inside an image store."""

PAINTED = "painted"
"""Our attribute of a mask that was painted by hand."""


@dataclass(frozen=True)
class Placement:
    """Where a working plane lies on its slide.

    Attributes
    ----------
    mpp : float or None
        µm per working pixel; None gives the scale in pixels of the slide's level 0.
    slide_scale : float
        Pixels of the slide's level 0 along one working pixel.
    corner : tuple of float
        ``(y, x)`` of the plane's corner in pixels of level 0.
    """

    mpp: float | None
    slide_scale: float
    corner: tuple[float, float] = (0.0, 0.0)

    def transformations(self, factor: int, *, channels: bool = False) -> list[Json]:
        """Return the ``coordinateTransformations`` of a level: scale and translation.

        Slide coordinates count from the centre of the slide's first pixel, so a pixel that
        covers n×n of them has its centre (n - 1) / 2 pixels further on.

        Parameters
        ----------
        factor : int
            Working pixels along one pixel of the level.
        channels : bool
            Whether a channel axis comes first.

        Examples
        --------
        >>> Placement(mpp=0.5, slide_scale=2.0).transformations(1)[0]
        {'type': 'scale', 'scale': [0.5, 0.5]}
        """
        unit = 1.0 if self.mpp is None else self.mpp / self.slide_scale
        covered = self.slide_scale * factor
        scale, shift = unit * covered, [unit * ((covered - 1) / 2 + start) for start in self.corner]
        first_scale, first_shift = ([1.0], [0.0]) if channels else ([], [])
        return [
            {"type": "scale", "scale": [*first_scale, scale, scale]},
            {"type": "translation", "translation": [*first_shift, *shift]},
        ]

    @property
    def axes(self) -> list[Json]:
        """The axes y and x, in micrometres if the resolution is known."""
        unit: Json = {} if self.mpp is None else {"unit": "micrometer"}
        return [{"name": name, "type": "space", **unit} for name in ("y", "x")]


def multiscales(
    name: str, placement: Placement, levels: int, *, method: str, channels: bool = False
) -> list[Json]:
    """Return the ``multiscales`` attribute of a pyramid.

    Parameters
    ----------
    name : str
        Name that viewers show.
    placement : Placement
        Where level 0 lies on the slide.
    levels : int
        Number of the arrays ``0``, ``1``, …, each half the size of the one before.
    method : str
        How levels are reduced: ``mode`` or ``mean``.
    channels : bool
        Whether a channel axis comes first.
    """
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": placement.transformations(2**level, channels=channels),
        }
        for level in range(levels)
    ]
    first: list[Json] = [{"name": "c", "type": "channel"}] if channels else []
    return [
        {
            "name": name,
            "axes": [*first, *placement.axes],
            "datasets": datasets,
            "type": method,
            "metadata": {"description": f"each level is half the one before, by {method}"},
        }
    ]


def image_label(classes: Sequence[LabelClass] | Mapping[int, LabelClass]) -> Json:
    """Return ``image-label``: colours and names of every class and of what was not analysed.

    Parameters
    ----------
    classes : sequence or mapping of LabelClass
        In the order of the labels, or by them.
    """
    pairs = classes.items() if isinstance(classes, Mapping) else enumerate(classes)
    entries = [(index, entry.name, (*entry.colour, 255)) for index, entry in sorted(pairs)]
    entries.append((NO_LABEL, NOT_ANALYSED, (0, 0, 0, 0)))
    return {
        "version": VERSION,
        "colors": [{"label-value": value, "rgba": list(rgba)} for value, _, rgba in entries],
        "properties": [{"label-value": value, "class": name} for value, name, _ in entries],
    }
