"""The stream of tiles: read, predicted, and stitched to bands."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from wsiseg.error_translation import translate_errors
from wsiseg.errors import BadNumbersError, RuntimeUnavailableError
from wsiseg.models.outputs import Output
from wsiseg.models.runtimes import Predictor, Running
from wsiseg.refining.thresholds import apply_thresholds
from wsiseg.segmentation.colouring import apply_colour_steps
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.plan import Plan
from wsiseg.store.arrays import BAND_HEIGHT
from wsiseg.throughput.recorder import Stopwatch, TileRow
from wsiseg.tiling.bands import NO_LABEL, Band, Prediction
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.grid import Tile
from wsiseg.tiling.reading import ReadTile, TileReader
from wsiseg.tiling.slides import Slide
from wsiseg.tiling.stitching import make_stitcher


@dataclass
class Step:
    """What one tile contributes to the stream.

    Attributes
    ----------
    read : ReadTile or None
        The tile; None at the end, when the remaining bands leave.
    prediction : Prediction or None
        The network's output for it; None if it could not be read.
    row : TileRow or None
        Its seconds for reading, waiting, the network, and stitching, which grows as its bands are
        taken.  The consumer fills in when it was finished and how long it waited for the disk.
    bands : iterable of Band
        Bands that it finished, to be taken before the next step.  Each is made as it is taken, as
        the rows of a large slide without tissue are many bands at once.
    """

    read: ReadTile | None = None
    prediction: Prediction | None = None
    row: TileRow | None = None
    bands: Iterable[Band] = ()


@dataclass
class _PredictedBatch:
    """Tiles that pass through the network together.

    Attributes
    ----------
    tiles : list of ReadTile
        In the order of the plan.
    waited, forward : float
        Seconds of each tile: waiting for its pixels, and in the runtime.
    predictions : list of Prediction or None
        The network's output for each tile; None for one that could not be read.
    """

    tiles: list[ReadTile]
    waited: float
    forward: float = 0.0
    predictions: list[Prediction | None] = field(default_factory=list)


class TileStream:
    """Takes the tiles of a slide through the network and stitches them to bands.

    What segmenting, scoring and the viewer's field of view have in common; they differ in what
    they do with the bands.

    Parameters
    ----------
    slide : Slide
        Open.
    predictor : Predictor
        Its runtime is prepared here for the plan's tiles.
    plan : Plan
        Resolution, tiles, batch and threads.
    options : SegmentOptions
        How overlaps are merged, and whether probabilities are kept.

    Attributes
    ----------
    setup_seconds : float
        Seconds that preparing the runtime took.
    """

    def __init__(
        self, slide: Slide, predictor: Predictor, plan: Plan, options: SegmentOptions
    ) -> None:
        self._slide = apply_colour_steps(slide, plan.colour_steps)
        self._plan = plan
        self._options = options
        watch = Stopwatch()
        self._needs_probabilities = options.probabilities or bool(plan.refinement.thresholds)
        outputs = _needed_outputs(options, probabilities=self._needs_probabilities)
        self._runtime_name = predictor.choice.runtime
        self._runtimes = predictor.prepare_runtimes(
            plan.cover.shapes, plan.batch, outputs, tta=options.tta
        )
        self.setup_seconds = watch.total

    def tiles(self, window: Box) -> list[Tile]:
        """Return the tiles that can change a window, in the order in which they are done."""
        return self._plan.cover.reaching(window, whole=self._options.blend != "crop")

    def steps(self, window: Box) -> Iterator[Step]:
        """Take every tile that can change a window through the network, in order.

        Parameters
        ----------
        window : Box
            The part of the plane to fill; begins at a band's first row.

        Raises
        ------
        BadNumbersError
            If the network gives NaN or infinity, and `on_bad_numbers` is ``fail``.
        """
        plan, options, tiles = self._plan, self._options, self.tiles(window)
        stitcher = make_stitcher(
            options.blend,
            window,
            tiles,
            BAND_HEIGHT,
            plan.classes,
            keep_probabilities=self._needs_probabilities,
            uncertainty=options.uncertainty,
        )
        # Of its own, and set anew after every yield: others' time is not that of a tile.
        watch = Stopwatch()
        with TileReader(self._slide, plan.plane, threads=plan.readers, ahead=plan.ahead) as reader:
            for batch in self._predicted(reader.batches(tiles, plan.batch), watch):
                for read, prediction in zip(batch.tiles, batch.predictions, strict=True):
                    before = stitcher.without_numbers
                    bands = stitcher.add(read.tile, prediction)
                    row = _row(read, batch.waited, batch.forward, watch.lap())
                    row.without_numbers = stitcher.without_numbers - before
                    if row.without_numbers and options.on_bad_numbers == "fail":
                        raise _bad_numbers(row, self._slide)
                    yield Step(read, prediction, row, self._give(bands, row))
                    watch.lap()
        yield Step(bands=self._give(stitcher.finished()))

    def _predicted(
        self, batches: Iterable[list[ReadTile]], watch: Stopwatch
    ) -> Iterator[_PredictedBatch]:
        """Take batches through the network, and yield them in their order.

        A device that works by itself has the next batch before the last one is waited for.

        Parameters
        ----------
        batches : iterable of list of ReadTile
            From the reading threads.
        watch : Stopwatch
            Whose laps are those of the stream.
        """
        ahead = max((each.batches_ahead for each in self._runtimes.values()), default=0)
        begun: deque[tuple[_PredictedBatch, Running | None]] = deque()
        for tiles in batches:
            batch = _PredictedBatch(tiles, watch.lap() / len(tiles))
            begun.append((batch, self._start(batch)))
            batch.forward = watch.lap() / len(tiles)
            if len(begun) > ahead:
                yield self._finish(*begun.popleft(), watch)
        while begun:
            yield self._finish(*begun.popleft(), watch)

    def _start(self, batch: _PredictedBatch) -> Running | None:
        """Start the network on what could be read, if anything could."""
        pixels = [read.pixels for read in batch.tiles if read.pixels is not None]
        if not pixels:
            return None
        runtime = self._runtimes[batch.tiles[0].tile.box.shape]
        if not runtime.takes_fewer:
            # Every batch has the same shape, so that nothing is compiled twice.
            blank = np.zeros((*runtime.settings.tile, 3), np.uint8)
            pixels += [blank] * (runtime.settings.batch - len(pixels))
        with self._translated():
            return runtime.start(np.stack(pixels))

    def _finish(
        self, batch: _PredictedBatch, running: Running | None, watch: Stopwatch
    ) -> _PredictedBatch:
        """Wait for a batch; unreadable tiles have no prediction."""
        outputs: dict[str, npt.NDArray[Any]] = {}
        if running is not None:
            with self._translated():
                outputs = running.result()
        places = itertools.count()
        for read in batch.tiles:
            if read.pixels is None:
                batch.predictions.append(None)
            else:
                place = next(places)
                found = {name: planes[place] for name, planes in outputs.items()}
                batch.predictions.append(Prediction(**found))
        batch.forward += watch.lap() / len(batch.tiles)
        return batch

    def _translated(self) -> AbstractContextManager[None]:
        return translate_errors(
            lambda why: RuntimeUnavailableError(
                f"{self._runtime_name} cannot run the network: {why}",
                None,
                "A smaller `tile` or `batch` needs less memory.",
            )
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the runtime had to do otherwise than was asked for, one sentence each."""
        found = (note for each in self._runtimes.values() for note in each.notes)
        return tuple(dict.fromkeys(found))

    def _give(self, bands: Iterable[Band], row: TileRow | None = None) -> Iterator[Band]:
        """Yield bands one by one; the time to make them counts as stitching of the tile."""
        watch = Stopwatch()
        for band in bands:
            decided = self._decide(self._masked(band))
            if row is not None:
                row.stitch_ms += watch.lap() * 1e3
            yield decided
            watch.lap()

    def _masked(self, band: Band) -> Band:
        """Mark what is not to be analysed: other blocks, and what lies outside the regions."""
        if not band.touched:
            return band
        left_out: list[Any] = [gap.slices_in(band.box) for gap in self._plan.blocks.gaps(band.box)]
        if self._plan.regions is not None:
            left_out.append(~self._plan.regions.rasterise(band.box))
        for place in left_out:
            band.labels[place] = NO_LABEL
            for planes in band.companions.values():
                planes[(..., *place) if isinstance(place, tuple) else (..., place)] = 0
        return band

    def _decide(self, band: Band) -> Band:
        """Return a band with the labels that keep to thresholds."""
        least, found = self._plan.refinement.thresholds, band.probabilities
        if not least or found is None:
            return band
        kept = found if self._options.probabilities else None
        if not band.touched:
            return replace(band, probabilities=kept)
        labels = apply_thresholds(band.labels, found.__getitem__, len(found), least)
        return replace(band, labels=labels, probabilities=kept)


def _needed_outputs(options: SegmentOptions, *, probabilities: bool) -> tuple[Output, ...]:
    """Return the outputs of the network that the options need."""
    if options.blend != "crop":
        return ("probabilities",)
    if probabilities or options.uncertainty is not None:
        return ("labels", "probabilities")
    return ("labels",)


def _bad_numbers(row: TileRow, slide: Slide) -> BadNumbersError:
    return BadNumbersError(
        f"the network gave NaN or infinity for {row.without_numbers} pixels of tile {row.index} "
        f"at y={row.y}, x={row.x}",
        slide.path,
        "Use another `precision` or checkpoint, or leave such pixels out with "
        "`on_bad_numbers=fill`.",
    )


def _row(read: ReadTile, waited: float, forward: float, stitched: float) -> TileRow:
    return TileRow(
        index=read.tile.index,
        y=read.tile.box.y,
        x=read.tile.box.x,
        read_ms=read.seconds * 1e3,
        forward_ms=forward * 1e3,
        stitch_ms=stitched * 1e3,
        write_ms=0.0,
        wait_ms=waited * 1e3,
        finished_s=0.0,
        status="done" if read.error is None else "unread",
    )
