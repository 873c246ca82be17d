"""What a run left beside its mask: how long each tile took, and where."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.error_translation import translate_errors
from wsiseg.errors import AnnotationError
from wsiseg.segmentation.provenance import read_run
from wsiseg.store.label_images import LabelImage
from wsiseg.throughput.recorder import TileRow, rows_from_csv
from wsiseg.throughput.tile_costs import TilePlaces, milliseconds

LONGEST_HEAT_MAP = 1024
"""Edge of a heat map, at most."""


@dataclass(frozen=True)
class RunTiles:
    """The tiles of a run.

    Attributes
    ----------
    rows : list of TileRow
        What each cost.
    places : TilePlaces
        Where they lie.
    slide_scale : float
        Pixels of level 0 along one working pixel.
    summary : dict
        The run's figures, as ``segment --json`` prints them.
    """

    rows: list[TileRow]
    places: TilePlaces
    slide_scale: float
    summary: dict[str, Any]

    def heat_map(self) -> tuple[npt.NDArray[np.float32], int]:
        """Return ms per tile over the plane, NaN where no tile was, and how far it is reduced."""
        factor = max(1, math.ceil(max(self.places.plane) / LONGEST_HEAT_MAP))
        heat = np.full([math.ceil(side / factor) for side in self.places.plane], np.nan, np.float32)
        for row in self.rows:
            box = self.places.own_box(row)
            heat[
                box.y // factor : math.ceil(box.bottom / factor),
                box.x // factor : math.ceil(box.right / factor),
            ] = milliseconds(row)
        return heat, factor


def read_tiles(image: LabelImage) -> RunTiles:
    """Read what the run that made a mask noted about its tiles.

    Raises
    ------
    AnnotationError, OutputError
        If the mask is of no wsiseg run, or the run's files are not beside it.
    """
    store = next((p for p in (image.path, *image.path.parents) if p.suffix == ".zarr"), image.path)
    name = str(image.notes.get("run", ""))
    if not name:
        raise AnnotationError("this mask was not made by wsiseg segment", image.path)
    run = read_run(store.parent / name)
    tiles = store.parent / name.replace(".run.json", ".tiles.csv")
    with translate_errors(
        lambda why: AnnotationError(f"the run's table of tiles cannot be read: {why}", tiles)
    ):
        return RunTiles(
            rows=rows_from_csv(tiles),
            places=TilePlaces.of_run(run["identity"]),
            slide_scale=run["identity"]["plane"]["slide_scale"],
            summary=run["summary"],
        )
