"""What all ways of quantising have in common.

A library places the roundings and finds their ranges.  Where the labels then agree too little with
those of fp32, the layers that cost most stay in fp32: each is tried alone, and as few of them as
are needed are left out.
"""

from __future__ import annotations

import importlib.util
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from wsiseg.errors import ArgumentError, RuntimeUnavailableError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.folding import fold
from wsiseg.models.outputs import RawOutput
from wsiseg.models.quantised import Int8Form, Int8Note, digest_graph
from wsiseg.models.tile_network import TileNetwork

Bytes = npt.NDArray[np.uint8]
Graph = TypeVar("Graph")
Labelling = Callable[[Bytes], Bytes]

OUTPUTS: tuple[RawOutput, ...] = ("labels", "probabilities", "shares")
"""What an int8 form gives."""

_RANKED_ON, _RANKED_EDGE = 4, 256
"""Corners of tiles on which layers are compared, each of which has to be compiled for that."""

_MOST_KEPT = 0.5
"""Share of the layers that may stay in fp32; beyond it int8 gains next to nothing."""

_ROUNDS = 7
"""How often each side is timed, in turn."""


@dataclass(frozen=True)
class CalibrationTiles:
    """Tiles of tissue, none of which stands in both parts.

    Attributes
    ----------
    calibrating : ndarray
        uint8 ``(N, H, W, 3)``, RGB: on these the ranges are found.
    checking : ndarray
        uint8 ``(M, H, W, 3)``: on these the labels are compared.
    slides : tuple of str
        Names of the slides that they come from.
    """

    calibrating: Bytes
    checking: Bytes
    slides: tuple[str, ...]


class Quantiser(ABC, Generic[Graph]):
    """One network with the tiles that it is quantised for.

    Parameters
    ----------
    checkpoint : Checkpoint
        With its network.
    tiles : CalibrationTiles
        Their height and width are multiples of what the network takes.
    threads : int
        CPU threads.
    began : callable
        Told what is done.

    Raises
    ------
    ArgumentError
        If the network gives numbers that are not finite.
    """

    runtime: ClassVar[str]
    """Which runtime takes what it makes."""
    packages: ClassVar[tuple[str, ...]]
    """What has to be installed."""
    extra: ClassVar[str]
    """The extra of ours that brings these packages."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        tiles: CalibrationTiles,
        threads: int,
        began: Callable[[str], None],
    ) -> None:
        self.tiles, self.threads = tiles, threads
        self._checkpoint, self._began = checkpoint, began
        began("converting the network")
        network = fold(checkpoint.unchanged_network)
        outputs: tuple[RawOutput, ...] = (*OUTPUTS, "logits")
        self.float = self.convert(
            TileNetwork(network, checkpoint.card.normalisation, outputs).eval()
        )
        self._wanted = self._label(self.float, tiles.checking)
        if (self._wanted == 255).any():
            raise ArgumentError(
                "the network gives numbers that are not finite on these slides",
                checkpoint.name,
                "Such a network cannot be quantised.",
            )

    @classmethod
    def missing(cls) -> list[str]:
        """Return the packages that are not installed."""
        return [name for name in cls.packages if importlib.util.find_spec(name) is None]

    @abstractmethod
    def convert(self, network: TileNetwork) -> Graph:
        """Return a network as a graph in fp32 that takes tiles of any shape.

        Parameters
        ----------
        network : TileNetwork
            It gives what an int8 form gives, and logits.
        """

    @abstractmethod
    def quantise(self, kept: Sequence[str]) -> Graph:
        """Return the network in int8, but for some operations and all behind the logits.

        Parameters
        ----------
        kept : sequence of str
            Names of the operations that stay in fp32.
        """

    @abstractmethod
    def compile(self, graph: Graph, shape: tuple[int, ...]) -> Labelling:
        """Return what labels tiles of one shape.

        Parameters
        ----------
        graph : Graph
            In fp32 or int8.
        shape : tuple of int
            ``(B, H, W, 3)``.
        """

    @abstractmethod
    def relieve(self, graph: Graph) -> Iterator[tuple[tuple[str, ...], Graph]]:
        """Yield the network once per operation that rounds, with that one in fp32, and its name.

        Where an operation only passes numbers on, the names are of those that compute on them.

        Parameters
        ----------
        graph : Graph
            In int8; may be changed.
        """

    @abstractmethod
    def serialise(self, graph: Graph) -> tuple[bytes, bytes]:
        """Return a graph as an int8 form holds it: graph and constants.

        Parameters
        ----------
        graph : Graph
            In int8; it gives the outputs of an int8 form.
        """

    def run(self, least: float) -> Int8Form:
        """Quantise, with as few layers in fp32 as the agreement needs.

        Parameters
        ----------
        least : float
            Share of the pixels whose label has to be that of fp32.

        Raises
        ------
        RuntimeUnavailableError
            If the labels agree too little even with half of the layers in fp32.
        """
        self._began(f"calibrating on {len(self.tiles.calibrating)} tiles")
        graph, kept = self.quantise(()), 0
        agreement = self._agreement(graph)
        if agreement < least:
            self._began(f"{agreement:.2%} of the labels agree: comparing layers, which takes long")
            graph, kept, agreement = self._keep_worst(self._rank(graph), least)
        self._began("measuring the speed")
        speedup = self._speedup(graph)
        content, constants = self.serialise(graph)
        note = Int8Note(
            checkpoint=self._checkpoint.sha256,
            graph=digest_graph(content, constants),
            runtime=self.runtime,
            label_agreement=agreement,
            speedup=round(speedup, 3),
            kept=kept,
            calibration=self.tiles.slides,
            versions={name: version(name) for name in ("wsiseg", *self.packages)},
        )
        return Int8Form(note, content, constants)

    def _rank(self, graph: Graph) -> list[tuple[str, ...]]:
        """Return the operations by what their roundings cost, the costliest first."""
        multiple = self._checkpoint.input_multiple
        edge = max(multiple, _RANKED_EDGE // multiple * multiple)
        tiles = np.ascontiguousarray(self.tiles.checking[:_RANKED_ON, :edge, :edge])
        wanted = self._label(self.float, tiles)
        gains = {
            names: float((self._label(relieved, tiles) == wanted).mean())
            for names, relieved in self.relieve(graph)
        }
        return sorted(gains, key=lambda names: -gains[names])

    def _keep_worst(
        self, ranked: Sequence[tuple[str, ...]], least: float
    ) -> tuple[Graph, int, float]:
        """Return the network with the fewest of the ranked operations in fp32 that suffice."""
        low, high = 0, max(1, round(len(ranked) * _MOST_KEPT))
        best = self.quantise(_flat(ranked[:high]))
        reached = self._agreement(best)
        if reached < least:
            raise RuntimeUnavailableError(
                f"in int8 {1 - reached:.2%} of the labels are not those of fp32, even with "
                f"{high} of {len(ranked)} layers in fp32",
                self._checkpoint.name,
                "Nothing was written. Calibrate on more slides of the kind, lower `min_agreement`, "
                "or use `precision=bf16`.",
            )
        while high - low > 1:
            middle = (low + high) // 2
            graph = self.quantise(_flat(ranked[:middle]))
            agreement = self._agreement(graph)
            if agreement >= least:
                high, best, reached = middle, graph, agreement
            else:
                low = middle
        return best, high, reached

    def _agreement(self, graph: Graph) -> float:
        return float((self._label(graph, self.tiles.checking) == self._wanted).mean())

    def _label(self, graph: Graph, tiles: Bytes) -> Bytes:
        label = self.compile(graph, (1, *tiles.shape[1:]))
        return np.concatenate([label(tile[None]) for tile in tiles])

    def _speedup(self, graph: Graph) -> float:
        """Return the time of fp32 over that of int8, for labels of the first tiles, in turn."""
        tiles = self.tiles.checking[:_RANKED_ON]
        sides = [self.compile(each, tiles.shape) for each in (self.float, graph)]
        seconds: list[list[float]] = [[], []]
        for turn in range(_ROUNDS + 1):
            for label, taken in zip(sides, seconds, strict=True):
                start = time.perf_counter()
                label(tiles)
                if turn:
                    taken.append(time.perf_counter() - start)
        # Other programs can only make it slower.
        return min(seconds[0]) / min(seconds[1])


def _flat(names: Sequence[tuple[str, ...]]) -> list[str]:
    return sorted({name for each in names for name in each})
