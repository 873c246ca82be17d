"""For OpenVINO, by NNCF."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsiseg.models.quantising.quantiser import OUTPUTS, Bytes, Labelling, Quantiser
from wsiseg.models.runtimes.openvino import convert, openvino_core
from wsiseg.models.tile_network import TileNetwork

if TYPE_CHECKING:
    import openvino as ov

_PASSING_ON = ("Concat", "Pad", "Reshape", "Split", "StridedSlice", "Transpose", "VariadicSplit")
"""Operations that change no number."""


class OpenVinoQuantiser(Quantiser["ov.Model"]):
    """NNCF places the roundings, and finds their ranges by running the network in OpenVINO."""

    runtime = "openvino"
    packages = ("nncf", "openvino")
    extra = "quantize"

    def convert(self, network: TileNetwork) -> ov.Model:
        """Return the network in fp32; see :meth:`.Quantiser.convert`."""
        graph = convert(network, (1, *self.tiles.checking.shape[1:]))
        for name, result in zip(network.outputs, graph.get_results(), strict=True):
            result.output(0).set_names({name})
            result.set_friendly_name(name)
        self._behind = _behind_logits(graph)
        _drop(graph, "logits")
        return graph

    def quantise(self, kept: Sequence[str]) -> ov.Model:
        """Return the network in int8; see :meth:`.Quantiser.quantise`."""
        with _silent_nncf() as nncf:
            return nncf.quantize(
                self.float,
                nncf.Dataset([tile[None] for tile in self.tiles.calibrating]),
                # Activations are not centred on zero behind PReLU and ReLU.
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(self.tiles.calibrating),
                ignored_scope=nncf.IgnoredScope(names=[*self._behind, *kept], validate=False),
            )

    def compile(self, graph: ov.Model, shape: tuple[int, ...]) -> Labelling:
        """Return what labels tiles of one shape; see :meth:`.Quantiser.compile`."""
        alone = graph.clone()
        _drop(alone, *(name for name in OUTPUTS if name != "labels"))
        alone.reshape(list(shape))
        properties = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        request = openvino_core().compile_model(alone, "CPU", properties).create_infer_request()

        def label(tiles: Bytes) -> Bytes:
            request.infer({0: tiles}, share_inputs=True)
            found: Bytes = request.get_output_tensor(0).data.copy()
            return found

        return label

    def relieve(self, graph: ov.Model) -> Iterator[tuple[tuple[str, ...], ov.Model]]:
        """Yield the network with one operation in fp32; see :meth:`.Quantiser.relieve`."""
        for node in _rounded(graph):
            rounded = _bypass_rounding(node)
            yield _computing(node), graph
            for port, source in rounded:
                port.replace_source_output(source)

    def serialise(self, graph: ov.Model) -> tuple[bytes, bytes]:
        """Return what OpenVINO calls XML and BIN; see :meth:`.Quantiser.serialise`."""
        import openvino as ov

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "int8.xml")
            ov.save_model(graph, path, compress_to_fp16=False)
            return path.read_bytes(), path.with_suffix(".bin").read_bytes()


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
