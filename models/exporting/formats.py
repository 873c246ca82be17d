"""The formats in which networks leave, by the names that users type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsiseg.registry import Registry

if TYPE_CHECKING:
    from wsiseg.models.exporting.format import ModelFormat

MODEL_FORMATS: Registry[type[ModelFormat]] = Registry(
    "model format",
    "wsiseg.model_formats",
    {
        "onnx": "wsiseg.models.exporting.onnx:OnnxFormat",
        "openvino": "wsiseg.models.exporting.openvino:OpenVinoFormat",
        "torchscript": "wsiseg.models.exporting.torchscript:TorchScriptFormat",
        "torch-export": "wsiseg.models.exporting.torch_export:TorchExportFormat",
    },
)
