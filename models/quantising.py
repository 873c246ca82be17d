"""Quantising: a network in bytes, with the ranges of its numbers found on tiles of the user's.

NNCF places the roundings and finds their ranges.  Where the labels then agree too little with those
of fp32, the layers that cost most stay in fp32: each is tried alone, and as few of them as are
needed are left out.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wsiseg.error_translation import translate_errors
from wsiseg.errors import ArgumentError, RuntimeUnavailableError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.folding import fold
from wsiseg.models.outputs import RawOutput
from wsiseg.models.quantised import Int8Form, Int8Note, digest_graph
from wsiseg.models.runtimes.choosing import usable_cores
from wsiseg.models.runtimes.openvino import convert, openvino_core
from wsiseg.models.tile_network import TileNetwork

if TYPE_CHECKING:
    import openvino as ov

Bytes = npt.NDArray[np.uint8]
Progress = Callable[[float], None]

PACKAGES = ("nncf", "openvino")

_RANKED_ON, _RANKED_EDGE = 4, 256
"""Corners of tiles on which layers are compared, each of which has to be compiled for that."""

_MOST_KEPT = 0.5
"""Share of the layers that may stay in fp32; beyond it int8 gains next to nothing."""

_PASSING_ON = ("Concat", "Pad", "Reshape", "Split", "StridedSlice", "Transpose", "VariadicSplit")
"""Operations that change no number."""

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


def check_quantising() -> None:
    """Raise if what quantises is not installed.

    Raises
    ------
    RuntimeUnavailableError
        Naming what to install.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeUnavailableError(
            f"{' and '.join(missing)}, which quantises, is not installed",
            None,
            "Run: pip install 'wsiseg[quantize]'.",
        )


def quantise(
    checkpoint: Checkpoint,
    tiles: CalibrationTiles,
    *,
    min_agreement: float = 0.99,
    threads: int | None = None,
    began: Callable[[str], None] = lambda _: None,
) -> Int8Form:
    """Make the int8 form of a checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint
        With its network.
    tiles : CalibrationTiles
        Their height and width are multiples of what the network takes.
    min_agreement : float
        Share of the pixels whose label has to be that of fp32.
    threads : int, optional
        CPU threads; all cores that this process may use if left out.
    began : callable
        Told what is done.

    Returns
    -------
    Int8Form
        With agreement and speed as they were measured.

    Raises
    ------
    RuntimeUnavailableError
        If NNCF or OpenVINO is not installed, cannot take the network, or the labels agree too
        little even with half of the layers in fp32.
    ArgumentError
        If `min_agreement` is no share, or the network gives numbers that are not finite.
    """
    check_quantising()
    if not 0 < min_agreement <= 1:
        raise ArgumentError(
            f"{min_agreement:g} is no share of pixels", "`min_agreement`", "Use 0.99, for instance."
        )
    with translate_errors(
        lambda why: RuntimeUnavailableError(
            f"{checkpoint.card.architecture} cannot be quantised: {why}",
            checkpoint.name,
            "bf16 needs no quantising: `precision=bf16`.",
        )
    ):
        return _Quantiser(checkpoint, tiles, threads or usable_cores(), began).run(min_agreement)


class _Quantiser:
    """One network with the tiles that it is quantised for."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        tiles: CalibrationTiles,
        threads: int,
        began: Callable[[str], None],
    ) -> None:
        self._checkpoint, self._tiles = checkpoint, tiles
        self._threads, self._began = threads, began
        outputs: tuple[RawOutput, ...] = ("labels", "probabilities", "shares", "logits")
        network = TileNetwork(
            fold(checkpoint.unchanged_network), checkpoint.card.normalisation, outputs
        ).eval()
        began("converting the network")
        self._float = convert(network, (1, *tiles.checking.shape[1:]))
        for name, result in zip(outputs, self._float.get_results(), strict=True):
            result.output(0).set_names({name})
            result.set_friendly_name(name)
        self._behind = _behind_logits(self._float)
        _drop(self._float, "logits")
        self._wanted = self._label(self._float, tiles.checking)
        if (self._wanted == 255).any():
            raise ArgumentError(
                "the network gives numbers that are not finite on these slides",
                checkpoint.name,
                "Such a network cannot be quantised.",
            )

    def run(self, least: float) -> Int8Form:
        """Quantise, with as few layers in fp32 as the agreement needs."""
        self._began(f"calibrating on {len(self._tiles.calibrating)} tiles")
        model, kept = self._quantise(()), 0
        agreement = self._agreement(model)
        if agreement < least:
            self._began(f"{agreement:.2%} of the labels agree: comparing layers, which takes long")
            ranked = self._rank(model)
            model, kept, agreement = self._keep_worst(ranked, least)
        self._began("measuring the speed")
        speedup = self._speedup(model)
        graph, constants = _serialise(model)
        note = Int8Note(
            checkpoint=self._checkpoint.sha256,
            graph=digest_graph(graph, constants),
            label_agreement=agreement,
            speedup=round(speedup, 3),
            kept=kept,
            calibration=self._tiles.slides,
            versions={name: version(name) for name in ("wsiseg", *PACKAGES)},
        )
        return Int8Form(note, graph, constants)

    def _quantise(self, kept: Sequence[str]) -> ov.Model:
        """Return the network in int8 but for some operations."""
        with _silent_nncf() as nncf:
            return nncf.quantize(
                self._float,
                nncf.Dataset([tile[None] for tile in self._tiles.calibrating]),
                # Activations are not centred on zero behind PReLU and ReLU.
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(self._tiles.calibrating),
                ignored_scope=nncf.IgnoredScope(names=[*self._behind, *kept], validate=False),
            )

    def _rank(self, model: ov.Model) -> list[tuple[str, ...]]:
        """Return the operations by what their roundings cost, the costliest first.

        Each is named with what computes on the numbers that it passes on.
        """
        multiple = self._checkpoint.input_multiple
        edge = max(multiple, _RANKED_EDGE // multiple * multiple)
        tiles = np.ascontiguousarray(self._tiles.checking[:_RANKED_ON, :edge, :edge])
        model = model.clone()
        model.reshape([1, *tiles.shape[1:]])
        alone = self._float.clone()
        alone.reshape([1, *tiles.shape[1:]])
        wanted = self._label(alone, tiles)
        gains = {}
        for node in _rounded(model):
            rounded = _bypass_rounding(node)
            found = self._label(model, tiles)
            for port, source in rounded:
                port.replace_source_output(source)
            gains[_computing(node)] = float((found == wanted).mean())
        return sorted(gains, key=lambda name: -gains[name])

    def _keep_worst(
        self, ranked: Sequence[tuple[str, ...]], least: float
    ) -> tuple[ov.Model, int, float]:
        """Return the network with the fewest of the ranked operations in fp32 that suffice."""
        low, high = 0, max(1, round(len(ranked) * _MOST_KEPT))
        best = self._quantise(_flat(ranked[:high]))
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
            model = self._quantise(_flat(ranked[:middle]))
            agreement = self._agreement(model)
            if agreement >= least:
                high, best, reached = middle, model, agreement
            else:
                low = middle
        return best, high, reached

    def _agreement(self, model: ov.Model) -> float:
        return float((self._label(model, self._tiles.checking) == self._wanted).mean())

    def _label(self, model: ov.Model, tiles: Bytes) -> Bytes:
        request = self._request(model)
        found = np.empty(tiles.shape[:3], np.uint8)
        for number, tile in enumerate(tiles):
            request.infer({0: tile[None]}, share_inputs=True)
            found[number] = request.get_tensor("labels").data[0]
        return found

    def _request(self, model: ov.Model) -> ov.InferRequest:
        return (
            openvino_core()
            .compile_model(
                model,
                "CPU",
                {
                    "PERFORMANCE_HINT": "LATENCY",
                    "INFERENCE_NUM_THREADS": self._threads,
                    "INFERENCE_PRECISION_HINT": "f32",
                },
            )
            .create_infer_request()
        )

    def _speedup(self, model: ov.Model) -> float:
        """Return the time of fp32 over that of int8, for labels of the first tiles, in turn."""
        tiles = np.concatenate([self._tiles.checking[:_RANKED_ON]])
        sides = []
        for each in (self._float, model):
            alone = each.clone()
            _drop(alone, "probabilities", "shares")
            alone.reshape(list(tiles.shape))
            sides.append(self._request(alone))
        seconds: list[list[float]] = [[], []]
        for turn in range(_ROUNDS + 1):
            for request, taken in zip(sides, seconds, strict=True):
                start = time.perf_counter()
                request.infer({0: tiles}, share_inputs=True)
                if turn:
                    taken.append(time.perf_counter() - start)
        # Other programs can only make it slower.
        return min(seconds[0]) / min(seconds[1])


def _behind_logits(model: ov.Model) -> list[str]:
    """Return what is computed of the logits: labels would come in steps if that were rounded."""
    node = _result(model, "logits").input_value(0).get_node()
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    found: dict[str, ov.Node] = {}
    waiting = [node]
    while waiting:
        for output in waiting.pop().outputs():
            for port in output.get_target_inputs():
                reader = port.get_node()
                if reader.get_friendly_name() not in found:
                    found[reader.get_friendly_name()] = reader
                    waiting.append(reader)
    return [name for name, reader in found.items() if reader.get_type_name() != "Result"]


def _rounded(model: ov.Model) -> list[ov.Node]:
    """Return the operations that take rounded numbers."""
    return [
        node
        for node in model.get_ordered_ops()
        if node.get_type_name() != "ShapeOf"
        and any(
            node.input_value(number).get_node().get_type_name() == "FakeQuantize"
            for number in range(node.get_input_size())
        )
    ]


def _computing(node: ov.Node) -> tuple[str, ...]:
    """Return the name of an operation, or of those that compute on what it passes on."""
    if node.get_type_name() not in _PASSING_ON:
        return (node.get_friendly_name(),)
    readers = [port.get_node() for port in node.output(0).get_target_inputs()]
    return tuple(sorted({name for reader in readers for name in _computing(reader)}))


def _flat(names: Sequence[tuple[str, ...]]) -> list[str]:
    return sorted({name for each in names for name in each})


def _bypass_rounding(node: ov.Node) -> list[tuple[Any, Any]]:
    """Give an operation its numbers as they are; return its ports with what they read before."""
    changed = []
    for port in node.inputs():
        source = port.get_source_output()
        if source.get_node().get_type_name() == "FakeQuantize":
            changed.append((port, source))
            port.replace_source_output(source.get_node().input_value(0))
    return changed


def _result(model: ov.Model, name: str) -> ov.Node:
    return next(each for each in model.get_results() if each.get_friendly_name() == name)


def _drop(model: ov.Model, *names: str) -> None:
    for name in names:
        model.remove_result(_result(model, name))


def _serialise(model: ov.Model) -> tuple[bytes, bytes]:
    import openvino as ov

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "int8.xml")
        ov.save_model(model, path, compress_to_fp16=False)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


@contextmanager
def _silent_nncf() -> Iterator[Any]:
    """Import NNCF, which neither prints what it does nor sends it to its makers meanwhile."""
    # Read when it is imported; it would report each call by the network.
    os.environ.setdefault("NNCF_CI", "1")
    with redirect_stdout(sys.stderr):
        import nncf

        nncf.set_log_level(logging.ERROR)
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        yield nncf
