"""A checkpoint with its compiled runtime."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from wsiseg.error_translation import translate_errors
from wsiseg.errors import RuntimeUnavailableError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.orientations import Orientation, orientations_of
from wsiseg.models.outputs import Output, RawOutput
from wsiseg.models.quantised import require_int8_form
from wsiseg.models.runtimes.averaging import AveragingRunner
from wsiseg.models.runtimes.cache import Json, keep, kept
from wsiseg.models.runtimes.choosing import RuntimeChoice
from wsiseg.models.runtimes.keeping import restore_or_compile
from wsiseg.models.runtimes.registry import RUNTIMES
from wsiseg.models.runtimes.runtime import Precision, Runtime, TileRunner

if TYPE_CHECKING:
    from wsiseg.models.networks.network import SegmentationNetwork
    from wsiseg.models.tile_network import TileNetwork

T = TypeVar("T")

_UNTOLD = 4
"""Tiles at a time on a device whose memory nobody tells."""


class Predictor:
    """Owns the compiled network, so that slides of one tile shape compile it once.

    Parameters
    ----------
    checkpoint : Checkpoint
        What to run.
    choice : RuntimeChoice
        On which runtime.

    Attributes
    ----------
    choice : RuntimeChoice
        With the precision that the network can be computed in, if it was left to choose.
    notes : tuple of str
        What was chosen otherwise, and why.

    Raises
    ------
    RuntimeUnavailableError, CheckpointError
        If it is to compute in int8, and the checkpoint has no int8 form, or a damaged one.
    """

    def __init__(self, checkpoint: Checkpoint, choice: RuntimeChoice) -> None:
        self.checkpoint = checkpoint
        self.choice = choice
        self.int8_form = (
            require_int8_form(checkpoint, choice.runtime) if choice.precision == "int8" else None
        )
        self._runners: dict[tuple[int, int], TileRunner] = {}
        self._others: dict[Precision, Predictor] = {}
        self.notes: tuple[str, ...] = ()
        if choice.adaptable and choice.precision == "fp16":
            self._settle_precision()
        self._prepared_for: tuple[object, ...] = ()

    @cached_property
    def folded(self) -> SegmentationNetwork:
        """The network that runs: folded, with as few layers as possible."""
        from wsiseg.models.folding import fold

        return fold(self.checkpoint.unchanged_network)

    @cached_property
    def bytes_per_pixel(self) -> float:
        """Memory of the network's intermediate results, in bytes per pixel of a batch."""
        kind, settings = RUNTIMES[self.choice.runtime], self.choice.settings((1, 1), 1)

        def compute() -> float:
            with self._translated_errors():
                network = self._tile_network(("labels",))
                return kind.bytes_per_pixel(network, settings)

        where = {
            "runtime": self.choice.runtime,
            "device": self.choice.device,
            "precision": self.choice.precision,
            "versions": kind.versions(),
            "hardware": kind.hardware(settings),
        }
        return self._kept("memory", compute, where)

    @property
    def host_bytes_per_pixel(self) -> float:
        """What of that the memory of this machine's processor holds, and what goes to a GPU."""
        if not self.choice.device.startswith("cuda"):
            return self.bytes_per_pixel
        # Two batches on their way, in each of them pixels and what comes back.
        return 2.0 * (3 + 1 + len(self.checkpoint.classes))

    def largest_batch(self, tile: tuple[int, int]) -> int:
        """Return how many tiles are best computed at a time: one on a CPU, many on a GPU.

        Parameters
        ----------
        tile : tuple of int
            ``(height, width)``.
        """
        if self.choice.device == "cpu":
            return 1
        from wsiseg.models.runtimes.device_memory import free_bytes, largest_batch

        free = free_bytes(self.choice.device)
        if free is None:
            return _UNTOLD
        width = 4 if self.choice.precision == "fp32" else 2
        # The pixels, normalised, and the logits, from which labels are taken.
        around = 3 + (3 + 3 * len(self.checkpoint.classes)) * 4
        return largest_batch(tile, self.bytes_per_pixel * width / 4 + around, free)

    def _settle_precision(self) -> None:
        """Take a format of more range if the network does not fit into fp16."""
        from wsiseg.models.runtimes.narrowing import fits_fp16

        choice = self.choice
        if not fits_fp16(self._tile_network(("labels",)), choice.device):
            wide = RUNTIMES[choice.runtime].wide_precision(choice.device)
            self.choice = replace(choice, precision=wide)
            self.notes = (f"the network overflows in fp16 and is computed in {wide}",)

    @cached_property
    def receptive_radius(self) -> int | None:
        """Half of the receptive field in pixels; None if it is more than about 64."""

        def compute() -> int | None:
            from wsiseg.models.profiling import receptive_field

            return receptive_field(self.checkpoint.unchanged_network, limit=128)

        field = self._kept("reach", compute)
        return None if field is None else (field + 1) // 2

    @property
    def identity(self) -> str | None:
        """The digest of what is compiled; None if it is not to be kept."""
        identity = self.checkpoint.identity
        if identity is None or self.int8_form is None:
            return identity
        return f"{identity} {self.int8_form.note.graph}"

    def _kept(
        self, kind: str, compute: Callable[[], T], where: Mapping[str, Json] | None = None
    ) -> T:
        """Return what was computed of the network once, or compute it now."""
        identity = self.checkpoint.identity
        if identity is None:
            return compute()
        key: dict[str, Json] = {"network": identity, **(where or {})}
        known = kept(kind, key)
        if known is not None:
            found: T = json.loads(known)
            return found
        made = compute()
        keep(kind, key, json.dumps(made).encode())
        return made

    def at(self, precision: Precision) -> Predictor:
        """Return the predictor of the same checkpoint, on the same runtime, in a precision.

        The others let go of what they have compiled, as only one is at work.

        Parameters
        ----------
        precision : {"fp32", "fp16", "bf16", "int8"}
            Number format inside the network.

        Raises
        ------
        RuntimeUnavailableError, CheckpointError
            As the class.
        """
        taken: Predictor = self
        if precision != self.choice.precision:
            if precision not in self._others:
                other = Predictor(self.checkpoint, replace(self.choice, precision=precision))
                self._others[precision] = other
            taken = self._others[precision]
        for each in (self, *self._others.values()):
            if each is not taken:
                each.release()
        return taken

    def release(self) -> None:
        """Let go of compiled networks, each of which holds its intermediate results."""
        self._runners = {}

    def orientations(self, *, tta: bool) -> tuple[Orientation, ...]:
        """Return the orientations in which the network sees each tile.

        Parameters
        ----------
        tta : bool
            Whether it is to see others than the one as it is.
        """
        return orientations_of(self.checkpoint) if tta else (Orientation(),)

    def prepare_runtimes(
        self,
        tiles: Sequence[tuple[int, int]],
        batch: int,
        outputs: tuple[Output, ...],
        *,
        tta: bool = False,
    ) -> Mapping[tuple[int, int], TileRunner]:
        """Return what runs the network on batches of tiles of each shape; the last ones that fit.

        Parameters
        ----------
        tiles : sequence of tuple of int
            The shapes ``(height, width)``.
        batch : int
            Tiles of a batch.
        outputs : tuple of {"labels", "probabilities"}
            What they have to return.
        tta : bool
            Whether to average over the orientations of each tile.

        Raises
        ------
        RuntimeUnavailableError
            If the runtime cannot compile the network.
        """
        asked = batch, outputs, tta
        # Let go of the old ones first: each holds the network's intermediate results.
        fitting = self._runners if self._prepared_for == asked else {}
        self._runners = {shape: runner for shape, runner in fitting.items() if shape in tiles}
        self._prepared_for = asked
        for shape in tiles:
            if shape not in self._runners:
                orientations = self.orientations(tta=tta)
                self._runners[shape] = self._prepare(shape, batch, outputs, orientations)
        return self._runners

    def _prepare(
        self,
        tile: tuple[int, int],
        batch: int,
        outputs: tuple[Output, ...],
        orientations: tuple[Orientation, ...],
    ) -> TileRunner:
        if len(orientations) == 1:
            return self._compile(tile, batch, outputs)
        shapes = {tile[::-1] if each.transposed else tile for each in orientations}
        runtimes = {shape: self._compile(shape, batch, ("shares",)) for shape in sorted(shapes)}
        return AveragingRunner(runtimes, runtimes[tile].settings, orientations, outputs)

    def _compile(
        self, tile: tuple[int, int], batch: int, outputs: tuple[RawOutput, ...]
    ) -> Runtime:
        settings = self.choice.settings(tile, batch)
        with self._translated_errors():
            return restore_or_compile(
                self.choice,
                settings,
                outputs,
                self.identity,
                lambda: self._tile_network(outputs),
            )

    def _tile_network(self, outputs: tuple[RawOutput, ...]) -> TileNetwork:
        from wsiseg.models.tile_network import TileNetwork

        normalisation = self.checkpoint.card.normalisation
        return TileNetwork(self.folded, normalisation, outputs, self.int8_form).eval()

    def _translated_errors(self) -> AbstractContextManager[None]:
        return translate_errors(
            lambda why: RuntimeUnavailableError(
                f"{self.choice.runtime} cannot take the network: {why}",
                None,
                "Try another `runtime`, or a smaller `tile` or `batch`.",
            )
        )
