"""The settings of measurements, from which the command line and the Python keywords are made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from wsiseg.exports.format import split_names
from wsiseg.quantities import Length
from wsiseg.settings import Option, Settings

_PANEL, _FILES = "What is measured", "What is written"


class MeasureOptions(Settings):
    """Settings of :func:`wsiseg.measure`."""

    regions: Annotated[
        Path | None,
        Field(
            description="Measure inside these regions: a GeoJSON or XML file, or a folder with "
            "NAME.geojson or NAME.xml for each NAME.ome.zarr."
        ),
        Option(_PANEL, metavar="FILE|FOLDER"),
    ] = None
    components: Annotated[
        bool,
        Field(
            description="Also measure each connected component: area, perimeter, centroid, "
            "solidity, and mean probability if the run kept it."
        ),
        Option(_PANEL),
    ] = False
    every: Annotated[
        Length | None,
        Field(
            description="Also measure density maps: components per mm² and shares of the area in "
            "each cell of a grid of this pitch, for example 250um."
        ),
        Option(_PANEL, metavar="LENGTH"),
    ] = None
    classes: Annotated[
        tuple[str, ...] | None,
        BeforeValidator(split_names),
        Field(min_length=1, description="Names of the classes to measure; all if left out."),
        Option(_PANEL, metavar="NAME,NAME"),
    ] = None
    coordinates: Annotated[
        Literal["level0", "bounds"],
        Field(
            description="Where pixels of the slide count from in tables: the corner of level 0, or "
            "the scanned part of the slide, as in QuPath."
        ),
        Option(_FILES),
    ] = "level0"
    format: Annotated[
        Literal["csv", "parquet", "json"],
        Field(description="Format of the tables in a folder; a single file's ending says its own."),
        Option(_FILES),
    ] = "csv"
