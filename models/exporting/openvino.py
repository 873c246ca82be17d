"""OpenVINO's own format: an XML file, and its weights beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wsiseg.models.exporting.format import INPUT, Bytes, ModelFormat
from wsiseg.models.runtimes.openvino import convert, openvino_core

if TYPE_CHECKING:
    from wsiseg.models.tile_network import TileNetwork


class OpenVinoFormat(ModelFormat):
    """``NAME.xml`` and ``NAME.bin``, the metadata as runtime information of the model."""

    title = "OpenVINO's XML, with its weights in a .bin beside it"
    suffix = ".xml"
    packages = ("openvino",)
    extra = "openvino"

    @staticmethod
    def write(
        network: TileNetwork, example: Bytes, path: Path, metadata: Mapping[str, str]
    ) -> None:
        """Write a network; see :meth:`.ModelFormat.write`."""
        import openvino

        model = convert(network, example.shape)
        model.inputs[0].set_names({INPUT})
        for output, name in zip(model.outputs, network.outputs, strict=True):
            output.set_names({name})
        for key, value in metadata.items():
            model.set_rt_info(value, key.split("."))
        openvino.save_model(model, path, compress_to_fp16=False)

    @staticmethod
    def run(path: Path, tiles: Bytes) -> dict[str, Bytes]:
        """Run a file on a batch; see :meth:`.ModelFormat.run`."""
        compiled = openvino_core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        found = compiled({INPUT: tiles})
        return {output.get_any_name(): np.array(found[output]) for output in compiled.outputs}
