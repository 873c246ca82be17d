"""For ONNX Runtime, by its own quantiser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from wsiseg.models.exporting.format import INPUT
from wsiseg.models.exporting.onnx import to_onnx
from wsiseg.models.quantising.quantiser import OUTPUTS, Bytes, Labelling, Quantiser
from wsiseg.models.quiet import quiet
from wsiseg.models.tile_network import TileNetwork

if TYPE_CHECKING:
    import onnx

_ROUNDED = (
    "Add",
    "AveragePool",
    "Concat",
    "Conv",
    "Gemm",
    "GlobalAveragePool",
    "MatMul",
    "MaxPool",
    "Mul",
    "Relu",
    "Reshape",
    "Resize",
    "Split",
    "Transpose",
)
"""Operations that ONNX Runtime computes in bytes on a CPU, and those that only pass them on."""

_PASSING_ON = ("Concat", "Pad", "Reshape", "Slice", "Split", "Transpose")
"""Operations that change no number."""


class OnnxQuantiser(Quantiser["onnx.ModelProto"]):
    """ONNX Runtime places the roundings, and takes the least and the largest number as a range."""

    runtime = "onnx"
    packages = ("onnx", "onnxruntime", "onnxscript")
    extra = "onnx"

    def convert(self, network: TileNetwork) -> onnx.ModelProto:
        """Return the network in fp32; see :meth:`.Quantiser.convert`."""
        import onnx
        from onnxruntime.quantization.shape_inference import quant_pre_process

        multiple = network.network.input_multiple
        edge = max(2, 128 // multiple) * multiple
        example = np.zeros((2, edge, edge + multiple, 3), np.uint8)
        with TemporaryDirectory() as folder, quiet():
            exported, prepared = Path(folder, "exported.onnx"), Path(folder, "prepared.onnx")
            exported.write_bytes(to_onnx(network, example, any_shape=True))
            # Norms go into the convolutions before them, so that nothing is rounded between.
            quant_pre_process(exported, prepared, skip_symbolic_shape=True)
            merged = onnx.load(prepared)
        for number, node in enumerate(merged.graph.node):
            node.name = node.name or f"unnamed_{number}"
        self._behind = _behind(merged, "logits")
        return _giving(merged, OUTPUTS)

    def quantise(self, kept: Sequence[str]) -> onnx.ModelProto:
        """Return the network in int8; see :meth:`.Quantiser.quantise`."""
        import onnx
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

        with TemporaryDirectory() as folder, quiet():
            exact, rounded = Path(folder, "fp32.onnx"), Path(folder, "int8.onnx")
            onnx.save(self.float, exact)
            quantize_static(
                exact,
                rounded,
                _reader(self.tiles.calibrating),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(_ROUNDED),
                nodes_to_exclude=[*self._behind, *kept],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            return onnx.load(rounded)

    def compile(self, graph: onnx.ModelProto, shape: tuple[int, ...]) -> Labelling:
        """Return what labels tiles of one shape; see :meth:`.Quantiser.compile`."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        # What fails is raised.
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(
            _giving(graph, ("labels",)).SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
        )

        def label(tiles: Bytes) -> Bytes:
            found: Bytes = session.run(["labels"], {INPUT: tiles})[0]
            return found

        return label

    def relieve(self, graph: onnx.ModelProto) -> Iterator[tuple[tuple[str, ...], onnx.ModelProto]]:
        """Yield the network with one operation in fp32; see :meth:`.Quantiser.relieve`."""
        exact = {each.name: each for each in self.float.graph.initializer}
        present = {each.name for each in graph.graph.initializer}
        unrounded = _unrounded(graph, exact)
        graph.graph.initializer.extend(each for name, each in exact.items() if name not in present)
        for node in graph.graph.node:
            rounded = list(node.input)
            if node.op_type == "QuantizeLinear" or not any(each in unrounded for each in rounded):
                continue
            node.input[:] = [unrounded.get(each, each) for each in rounded]
            yield _computing(graph, node), graph
            node.input[:] = rounded

    def serialise(self, graph: onnx.ModelProto) -> tuple[bytes, bytes]:
        """Return an ONNX file, and nothing; see :meth:`.Quantiser.serialise`."""
        content: bytes = graph.SerializeToString()
        return content, b""


def _reader(tiles: Bytes) -> Any:
    """Return tiles as ONNX Runtime's quantiser asks for them: one by one, then None."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(tiles)

        def get_next(self) -> dict[str, Bytes] | None:
            tile = next(self._left, None)
            return None if tile is None else {INPUT: tile[None]}

    return Reader()


def _giving(graph: onnx.ModelProto, outputs: Sequence[str]) -> onnx.ModelProto:
    """Return what of a graph some of its outputs need."""
    import onnx

    return onnx.utils.Extractor(graph).extract_model([INPUT], list(outputs))


def _readers(graph: onnx.ModelProto, tensor: str) -> list[onnx.NodeProto]:
    return [node for node in graph.graph.node if tensor in node.input]


def _behind(graph: onnx.ModelProto, tensor: str) -> list[str]:
    """Return what is computed of the logits: labels would come in steps if that were rounded."""
    made = {name: node for node in graph.graph.node for name in node.output}
    while made[tensor].op_type in ("Cast", "Identity"):
        tensor = made[tensor].input[0]
    found: dict[str, None] = {}
    waiting = [tensor]
    while waiting:
        for node in _readers(graph, waiting.pop()):
            if node.name not in found:
                found[node.name] = None
                waiting.extend(node.output)
    return list(found)


def _unrounded(graph: onnx.ModelProto, exact: dict[str, Any]) -> dict[str, str]:
    """Return the names of rounded numbers, with those of the same numbers before."""
    made = {name: node for node in graph.graph.node for name in node.output}
    found = {}
    for node in graph.graph.node:
        if node.op_type != "DequantizeLinear":
            continue
        source = node.input[0]
        if source in made:
            found[node.output[0]] = made[source].input[0]
        elif source.removesuffix("_quantized") in exact:
            found[node.output[0]] = source.removesuffix("_quantized")
    return found


def _computing(graph: onnx.ModelProto, node: onnx.NodeProto) -> tuple[str, ...]:
    """Return the name of an operation, or of those that compute on what it passes on."""
    passing_on = (*_PASSING_ON, "QuantizeLinear", "DequantizeLinear")
    if node.op_type not in passing_on:
        return (str(node.name),)
    readers = [each for name in node.output for each in _readers(graph, name)]
    return tuple(sorted({name for each in readers for name in _computing(graph, each)}))
