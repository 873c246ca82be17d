"""The quickest precision whose labels agree with fp32 on a slide's own first tiles.

How fast each precision is, is measured once per network and machine, and kept.  How far the labels
agree depends on the slide, and is kept for that slide: what a slide gets does not depend on which
others were segmented before it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from wsiseg.errors import DamagedSlideError, WsisegError
from wsiseg.models.quantised import find_int8_form
from wsiseg.models.runtimes import RUNTIMES, Predictor, TileRunner
from wsiseg.models.runtimes.cache import Json, keep, kept
from wsiseg.models.runtimes.runtime import Bytes, Precision
from wsiseg.segmentation.colouring import apply_colour_steps
from wsiseg.segmentation.plan import Plan
from wsiseg.segmentation.tissue_blocks import blocks_of, spread, tissue_share
from wsiseg.throughput.hardware import describe_hardware
from wsiseg.tiling.boxes import Box
from wsiseg.tiling.reading import read_working_box
from wsiseg.tiling.slides import Slide

LEAST_AGREEMENT = 0.995
"""Share of the pixels whose labels have to be those of fp32."""

_FIRST_TILES, _SQUARES, _EDGE = 8, 3, 512
"""Squares of pixels are compared, taken from the first tiles."""

_ROUNDS = 5
_WORTH = 0.95
"""Of the time of fp32; what takes more is not quicker by more than chance."""


@dataclass(frozen=True)
class FastChoice:
    """What was chosen for a slide.

    Attributes
    ----------
    precision : str
        The quickest that agrees.
    label_agreement : float or None
        Share of the compared pixels whose label is that of fp32; None where a run goes on in the
        precision that it was begun in.
    speedup : float or None
        Time of fp32 over its time, as measured once on this machine.
    refused : mapping of str to float
        Quicker ones, and how far they agree.
    warnings : tuple of str
        What could not be tried.
    """

    precision: Precision
    label_agreement: float | None
    speedup: float | None = None
    refused: Mapping[str, float] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is said of it."""
        if self.label_agreement is None:
            return f"fast: {self.precision}, in which the run was begun"
        refused = ", ".join(
            f"{name} agrees on {share:.2%} only" for name, share in (self.refused or {}).items()
        )
        if self.precision == "fp32":
            return f"fast: fp32, as {refused or 'nothing is quicker here'}"
        said = (
            f"fast: {self.precision}, {self.speedup:.1f} times as fast as fp32, "
            f"{self.label_agreement:.2%} of the labels of the first tiles are the same"
        )
        return f"{said}; {refused}" if refused else said

    def as_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return asdict(self) | {"refused": dict(self.refused or {}), "warnings": list(self.warnings)}


def choose_fastest(slide: Slide, predictor: Predictor, plan: Plan) -> FastChoice:
    """Choose the precision of a slide.

    Parameters
    ----------
    slide : Slide
        Open.
    predictor : Predictor
        In fp32.
    plan : Plan
        Its first tiles count.

    Raises
    ------
    RuntimeUnavailableError
        If the runtime cannot take the network.
    """
    return _Chooser(slide, predictor, plan).choose()


class _Chooser:
    """The precisions that there are for one slide."""

    def __init__(self, slide: Slide, predictor: Predictor, plan: Plan) -> None:
        self._slide, self._plan = slide, plan
        self._in_fp32 = predictor
        self._warnings: list[str] = []
        multiple = predictor.checkpoint.input_multiple
        self._edge = -(-_EDGE // multiple) * multiple
        self._predictors: dict[Precision, Predictor] = {}
        self._runners: dict[Precision, TileRunner] = {}
        self._candidates = self._find_candidates()

    def choose(self) -> FastChoice:
        tried: dict[str, float] = {}
        boxes = self._boxes() if self._candidates else []
        if not boxes:
            return FastChoice("fp32", 1.0, 1.0, {}, tuple(self._warnings))
        seconds = self._seconds(boxes)
        slow = seconds["fp32"]
        quicker = [name for name in self._candidates if seconds[name] < _WORTH * slow]
        for name in sorted(quicker, key=lambda name: seconds[name]):
            tried[name] = self._agreement(name, boxes)
            if tried[name] >= LEAST_AGREEMENT:
                agreed = tried.pop(name)
                return FastChoice(
                    name, agreed, round(slow / seconds[name], 3), tried, tuple(self._warnings)
                )
        return FastChoice("fp32", 1.0, 1.0, tried, tuple(self._warnings))

    def _find_candidates(self) -> list[Precision]:
        checkpoint, choice = self._in_fp32.checkpoint, self._in_fp32.choice
        found = list(RUNTIMES[choice.runtime].fast_precisions(choice.device))
        if "int8" in found:
            try:
                form = find_int8_form(checkpoint, choice.runtime)
            except WsisegError as error:
                self._warnings.append(f"int8 is not tried: {error}")
                form = None
            if form is None:
                found.remove("int8")
        return found

    def _boxes(self) -> list[Box]:
        """Return squares of tissue among the first tiles."""
        plan = self._plan
        cores = [tile.core.intersection(plan.plane.box) for tile in plan.cover.tiles[:_FIRST_TILES]]
        blocks = [block for core in cores for block in blocks_of(core, self._edge)]
        # Smaller than a square: what lies beyond it is background.
        blocks = blocks or [Box(core.y, core.x, self._edge, self._edge) for core in cores[:1]]
        if plan.regions is not None:
            blocks = [block for block in blocks if plan.regions.touches(block)] or blocks
        if plan.tissue is not None:
            share = {block: tissue_share(plan.tissue, block) for block in blocks}
            most = max(share.values(), default=0.0)
            blocks = [block for block in blocks if share[block] >= most / 2]
        return spread(blocks, _SQUARES)

    def _seconds(self, boxes: Sequence[Box]) -> dict[str, float]:
        """Return how long each precision takes for a square, as it was measured once."""
        names: list[Precision] = ["fp32", *self._candidates]
        key = self._key(names)
        known = None if key is None else kept("speeds", key)
        if known is not None:
            found: dict[str, float] = json.loads(known)
            return found
        tile = self._read(boxes)[:1]
        # Other programs on the same cores do not count: what is found here is kept for long.
        on_cpu = self._in_fp32.choice.device == "cpu"
        clock = time.process_time if on_cpu else time.perf_counter
        taken: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(_ROUNDS + 1):
            for name in names:
                runner = self._runner(name)
                start = clock()
                runner.run(tile)
                if turn:
                    taken[name].append(clock() - start)
        found = {name: min(each) for name, each in taken.items()}
        if key is not None:
            keep("speeds", key, json.dumps(found).encode())
        return found

    def _agreement(self, name: Precision, boxes: Sequence[Box]) -> float:
        """Return the share of pixels whose label is that of fp32."""
        key = self._key([name])
        if key is not None:
            slide, steps = self._slide, self._plan.colour_steps
            key = key | {
                "slide": json.dumps(slide.fingerprint(), sort_keys=True),
                "reader": slide.reader,
                "plane": json.dumps(asdict(self._plan.plane)),
                "colours": json.dumps([step.describe() for step in steps]),
                "boxes": [[box.y, box.x] for box in boxes],
            }
        known = None if key is None else kept("agreements", key)
        if known is not None:
            return float(known)
        tiles = self._read(boxes)
        found = float((self._label(name, tiles) == self._label("fp32", tiles)).mean())
        if key is not None:
            keep("agreements", key, repr(found).encode())
        return found

    def _key(self, names: Sequence[Precision]) -> dict[str, Json] | None:
        """Return what figures of precisions depend on; None if they cannot be kept."""
        choice = self._in_fp32.choice
        kind = RUNTIMES[choice.runtime]
        found = [self._predictor(name).identity for name in names]
        identities = [identity for identity in found if identity is not None]
        if len(identities) < len(found):
            return None
        return {
            "networks": tuple(identities),
            "precisions": tuple(names),
            "runtime": choice.runtime,
            "device": choice.device,
            "threads": choice.threads,
            "edge": self._edge,
            "versions": kind.versions(),
            "hardware": kind.hardware(choice.settings((self._edge, self._edge), 1)),
            "processor": str(describe_hardware()["processor"]),
        }

    def _read(self, boxes: Sequence[Box]) -> Bytes:
        slide = apply_colour_steps(self._slide, self._plan.colour_steps)
        found = []
        for box in boxes:
            try:
                found.append(read_working_box(slide, self._plan.plane, box))
            except DamagedSlideError:
                # The run will tell of it.
                found.append(np.full((*box.shape, 3), 255, np.uint8))
        return np.stack(found)

    def _runner(self, name: Precision) -> TileRunner:
        if name not in self._runners:
            tile = (self._edge, self._edge)
            runners = self._predictor(name).prepare_runtimes([tile], 1, ("labels",))
            self._runners[name] = runners[tile]
        return self._runners[name]

    def _predictor(self, name: Precision) -> Predictor:
        """Return a predictor of our own: the run's network is compiled for larger tiles."""
        if name not in self._predictors:
            base = self._in_fp32
            choice = replace(base.choice, precision=name)
            self._predictors[name] = Predictor(base.checkpoint, choice)
        return self._predictors[name]

    def _label(self, name: Precision, tiles: Bytes) -> Bytes:
        runner = self._runner(name)
        return np.concatenate([runner.run(tile[None])["labels"] for tile in tiles])
