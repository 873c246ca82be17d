"""The runtimes by name; a new one is a file beside this one and an entry here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsiseg.registry import Registry

if TYPE_CHECKING:
    from wsiseg.models.runtimes.runtime import Runtime

RUNTIMES: Registry[type[Runtime]] = Registry(
    "runtime",
    "wsiseg.runtimes",
    {
        "openvino": "wsiseg.models.runtimes.openvino:OpenVinoRuntime",
        "torch": "wsiseg.models.runtimes.torch:TorchRuntime",
        "onnx": "wsiseg.models.runtimes.onnx:OnnxRuntime",
        "tensorrt": "wsiseg.models.runtimes.tensorrt:TensorRtRuntime",
    },
)
"""By name, in the order in which ``auto`` takes them: what runs on the device, fastest first."""
