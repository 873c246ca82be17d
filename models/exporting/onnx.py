"""ONNX, for ONNX Runtime and whatever else reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsiseg.models.exporting.format import INPUT, Bytes, ModelFormat
from wsiseg.models.quiet import quiet

if TYPE_CHECKING:
    from wsiseg.models.tile_network import TileNetwork


class OnnxFormat(ModelFormat):
    """An ONNX file with its weights inside, and the metadata among its properties."""

    title = "an ONNX file"
    suffix = ".onnx"
    packages = ("onnx", "onnxruntime", "onnxscript")
    extra = "onnx"

    @staticmethod
    def write(
        network: TileNetwork, example: Bytes, path: Path, metadata: Mapping[str, str]
    ) -> None:
        """Write a network; see :meth:`.ModelFormat.write`."""
        path.write_bytes(to_onnx(network, example, metadata))

    @staticmethod
    def run(path: Path, tiles: Bytes) -> dict[str, Bytes]:
        """Run a file on a batch; see :meth:`.ModelFormat.run`."""
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, {INPUT: tiles}), strict=True))


def to_onnx(
    network: TileNetwork,
    example: Bytes,
    metadata: Mapping[str, str] | None = None,
    *,
    any_shape: bool = False,
) -> bytes:
    """Return a network as the content of an ONNX file.

    Parameters
    ----------
    network : TileNetwork
        In evaluation mode.
    example : ndarray
        uint8 ``(B, H, W, 3)``: a batch of the shape that it will take.
    metadata : mapping of str to str, optional
        The file's properties.
    any_shape : bool
        Whether it is to take batches of any shape that the network takes, otherwise that of the
        example, of which no edge may be the smallest possible one.
    """
    import torch

    shapes: tuple[dict[int, Any], ...] | None = None
    if any_shape:
        multiple = network.network.input_multiple
        batch, height, width = map(torch.export.Dim, ("batch", "height", "width"))
        shapes = ({0: batch, 1: multiple * height, 2: multiple * width},)

    with quiet("torch.onnx"), torch.no_grad():
        program = torch.onnx.export(
            network,
            (torch.from_numpy(example),),
            dynamo=True,
            input_names=[INPUT],
            output_names=list(network.outputs),
            verbose=False,
            dynamic_shapes=shapes,
        )
    assert program is not None
    program.model.metadata_props.update(metadata or {})
    content: bytes = program.model_proto.SerializeToString()
    return content
