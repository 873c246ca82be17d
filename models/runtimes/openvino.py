"""OpenVINO: the fastest way to run these networks on a CPU."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import psutil

from wsiseg.errors import ArgumentError, RuntimeUnavailableError
from wsiseg.models.outputs import RawOutput
from wsiseg.models.quantised import Int8Form
from wsiseg.models.quiet import quiet
from wsiseg.models.runtimes.cache import Json
from wsiseg.models.runtimes.kept_runtime import ReshapedRuntime
from wsiseg.models.runtimes.runtime import Bytes, Precision, RuntimeSettings

if TYPE_CHECKING:
    import openvino as ov
    import torch

    from wsiseg.models.tile_network import TileNetwork

_TRACED_EDGE = 64

_MEASURED_EDGES = (64, 384, 896)
"""Edges of the tiles by which memory is measured."""

_SPARE, _STEP = 1.1, 16
"""So many times what was measured is planned with, rounded up to so many bytes."""

_PATIENCE = 50
"""Milliseconds after which a signal is heard while a batch is computed."""

_HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8": "f32"}
"""In int8 the few operations that stay are done in fp32: bf16 would gain nothing there."""
_CAPABILITIES: Mapping[str, str] = {"fp16": "FP16", "bf16": "BF16", "int8": "INT8"}


@functools.cache
def openvino_core() -> ov.Core:
    """Return the one core of this process, which is never released.

    Its CPU plug-in moves the signal stack of the thread that loads it.  If another thread lets
    go of the last core, that stack is unmapped but stays registered, and the next signal, be it
    Control-C or the end of a child, ends the process by a segmentation fault.
    """
    import openvino as ov

    return ov.Core()


class OpenVinoRuntime(ReshapedRuntime):
    """A network compiled by OpenVINO for one tile shape.

    Raises
    ------
    RuntimeUnavailableError
        If the CPU cannot compute in the precision that was asked for.
    ArgumentError
        If the tiles do not fit the network's input multiple.
    """

    name = extra = "openvino"
    packages = ("openvino",)
    devices = ("cpu",)
    precisions = ("fp32", "fp16", "bf16", "int8")

    def __init__(self, network: TileNetwork, settings: RuntimeSettings) -> None:
        super().__init__(network, settings)
        multiple = network.network.input_multiple
        if any(edge % multiple for edge in settings.tile):
            raise ArgumentError(
                f"tiles of {settings.tile} are not a multiple of {multiple}, as {self.name} needs"
            )
        self._refuse_emulation(openvino_core(), settings)
        # Compiled from what is kept, so that it makes no difference whether it was.
        self._graph = _write(_take(network, settings))
        self._request = _compile(self._graph, settings)

    def graph(self) -> bytes:
        """Return the converted network; see :meth:`.ReshapedRuntime.graph`."""
        content, self._graph = self._graph, b""
        return content

    @classmethod
    def from_graph(
        cls, content: bytes, outputs: tuple[RawOutput, ...], settings: RuntimeSettings
    ) -> Self:
        """Return a converted network compiled; see :meth:`.ReshapedRuntime.from_graph`."""
        self = cls.__new__(cls)
        self.settings, self.outputs = settings, outputs
        self._request = _compile(content, settings)
        return self

    def dump(self) -> bytes:
        """Return the compiled network; see :meth:`.KeptRuntime.dump`."""
        content: bytes = self._request.get_compiled_model().export_model().getvalue()
        return content

    def _begin(self, content: bytes) -> None:
        properties = _properties(self.settings)
        compiled = openvino_core().import_model(io.BytesIO(content), "CPU", properties)
        self._request = compiled.create_infer_request()

    @classmethod
    def hardware(cls, settings: RuntimeSettings) -> Json:
        """Return the processor and its number formats; see :meth:`.Runtime.hardware`."""
        core = openvino_core()
        return [
            core.get_property("CPU", "FULL_DEVICE_NAME"),
            *sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")),
        ]

    @staticmethod
    def _refuse_emulation(core: ov.Core, settings: RuntimeSettings) -> None:
        """Emulated number formats are several times slower than fp32."""
        wanted = _CAPABILITIES.get(settings.precision)
        if wanted and wanted not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise RuntimeUnavailableError(
                f"this CPU does not compute in {settings.precision}",
                "`precision`",
                "Use `precision=fp32`.",
            )

    @classmethod
    def bytes_per_pixel(cls, network: TileNetwork, choice: RuntimeSettings) -> float:
        """Return what a compiled network holds; see :meth:`.Runtime.bytes_per_pixel`.

        It is measured, as what OpenVINO holds is half of what PyTorch does for one network, and
        twice as much for another.
        """
        multiple = network.network.input_multiple
        edges = [-(-edge // multiple) * multiple for edge in _MEASURED_EDGES]
        graph = cls(network, replace(choice, batch=1, tile=(edges[0], edges[0]))).graph()
        held, runners = [], []
        for edge in edges:
            settings = replace(choice, batch=1, tile=(edge, edge))
            runners.append(cls.from_graph(graph, network.outputs, settings))
            runners[-1].run(np.zeros((1, edge, edge, 3), np.uint8))
            held.append(int(psutil.Process().memory_info().rss))
        # What is held for a shape whatever its size is in both steps.
        (_, smaller, larger), (_, small, large) = edges, np.diff(held, prepend=held[0]).tolist()
        measured = _SPARE * (large - small) / (larger**2 - smaller**2)
        # Another measurement, on which the plan of a run may depend, is to give the same.
        return float(max(1, math.ceil(measured / _STEP)) * _STEP)

    @classmethod
    def fast_precisions(cls, device: str) -> tuple[Precision, ...]:
        """Return what the CPU computes in; see :meth:`Runtime.fast_precisions`."""
        able = openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return tuple(each for each in cls.precisions if _CAPABILITIES.get(each) in able)

    def run(self, tiles: Bytes) -> dict[str, npt.NDArray[Any]]:
        """Segment a batch; see :meth:`Runtime.run`."""
        self._request.start_async({0: tiles}, share_inputs=True)
        try:
            while not self._request.wait_for(_PATIENCE):
                pass
        except BaseException:
            # It is done with the tiles, which are shared, once it has stopped.
            self._request.cancel()
            with suppress(RuntimeError):
                self._request.wait()
            raise
        return {
            name: np.array(self._request.get_output_tensor(i).data)
            for i, name in enumerate(self.outputs)
        }


def _properties(settings: RuntimeSettings) -> dict[str, Any]:
    return {
        # Latency beats throughput hints here: one large tile fills the cores by itself.
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": settings.threads,
        "INFERENCE_PRECISION_HINT": _HINTS[settings.precision],
    }


def _compile(graph: bytes, settings: RuntimeSettings) -> ov.InferRequest:
    """Compile what :func:`_write` returned for tiles of one shape."""
    core = openvino_core()
    length = int.from_bytes(graph[:8], "little")
    model = core.read_model(graph[8 : 8 + length], graph[8 + length :])
    model.reshape([settings.batch, *settings.tile, 3])
    return core.compile_model(model, "CPU", _properties(settings)).create_infer_request()


def _write(model: ov.Model) -> bytes:
    """Return a graph as bytes: the length of its XML, the XML, and the weights."""
    import openvino as ov

    with TemporaryDirectory(prefix="wsiseg-") as folder:
        xml, weights = Path(folder, "graph.xml"), Path(folder, "graph.bin")
        ov.serialize(model, xml, weights)
        text = xml.read_bytes()
        return len(text).to_bytes(8, "little") + text + weights.read_bytes()


def _take(network: TileNetwork, settings: RuntimeSettings) -> ov.Model:
    """Return the graph of a network in a precision, for tiles of any shape."""
    if settings.precision != "int8":
        return _convert(network, narrow=settings.precision == "fp16")
    return _open_int8_form(network.require_int8_form(), network.outputs)


def _open_int8_form(form: Int8Form, outputs: Sequence[RawOutput]) -> ov.Model:
    """Return an int8 form as a graph that gives some of its outputs, in that order."""
    import openvino as ov

    whole = openvino_core().read_model(form.graph, form.constants)
    results = {result.output(0).get_any_name(): result for result in whole.get_results()}
    return ov.Model([results[name] for name in outputs], whole.get_parameters(), "int8")


def convert(network: TileNetwork, shape: tuple[int, ...], *, narrow: bool = False) -> ov.Model:
    """Return the network as a graph of OpenVINO.

    Parameters
    ----------
    network : TileNetwork
        In evaluation mode.
    shape : tuple of int
        ``(B, H, W, 3)`` of its input; height and width are multiples of what the network wants.
    narrow : bool
        Whether it will compute in a format in which any network may overflow.
    """
    model = _convert(network, narrow=narrow)
    model.reshape(list(shape))
    return model


def _convert(network: TileNetwork, *, narrow: bool) -> ov.Model:
    """Return the network as a graph for tiles of any shape.

    It is traced on a small picture, which is quick, and gets the shape of the tiles afterwards.

    Weights are traced as constants, and OpenVINO's front end is called without the converter
    around it.  That takes a third of the time, during which the GIL is held, and sends no
    telemetry.

    A network that overflows on noise, or that computes in a narrow format, is made to propagate
    NaN, which takes longer.
    """
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    from wsiseg.models.cloning import clone
    from wsiseg.models.runtimes.nan_propagation import propagate_nan

    fixed = clone(network).requires_grad_(False)
    noise = torch.Generator().manual_seed(0)
    example = torch.randint(
        0, 256, (1, _TRACED_EDGE, _TRACED_EDGE, 3), dtype=torch.uint8, generator=noise
    )

    def segment(tiles: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return fixed(tiles)  # type: ignore[no-any-return]

    # It warns that it is to be replaced, which OpenVINO's front end has to follow first.
    with torch.no_grad(), quiet("torch.jit"):
        traced = torch.jit.trace(segment, example, check_trace=False)  # type: ignore[no-untyped-call]
        frontend = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced, example_input=example)
        model = frontend.convert(frontend.load(decoder))
        if narrow or not fixed.has_finite_logits(example):
            propagate_nan(model)
    return model
