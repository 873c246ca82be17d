"""ONNX Runtime: on CPUs, NVIDIA's and Apple's GPUs, by the package of it that is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from wsiseg.errors import RuntimeUnavailableError
from wsiseg.models.outputs import RawOutput
from wsiseg.models.runtimes.runtime import Bytes, Runtime, RuntimeSettings

if TYPE_CHECKING:
    import onnxruntime

    from wsiseg.models.tile_network import TileNetwork

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "mps": "CoreMLExecutionProvider",
}
"""What ONNX Runtime calls what runs a network on each kind of device."""


class OnnxRuntime(Runtime):
    """A network executed by ONNX Runtime.

    Raises
    ------
    RuntimeUnavailableError
        If the installed package of ONNX Runtime does not run on the device, or the device does not
        compute in the precision that was asked for.
    """

    name = extra = "onnx"
    packages = ("onnx", "onnxruntime", "onnxscript")
    devices = tuple(_PROVIDERS)

    def __init__(self, network: TileNetwork, settings: RuntimeSettings) -> None:
        from wsiseg.models.cloning import clone
        from wsiseg.models.exporting.onnx import to_onnx

        super().__init__(network, settings)
        kind = settings.device.partition(":")[0]
        self._refuse(kind, settings)
        exported = clone(network).requires_grad_(False)
        if settings.precision == "fp16":
            exported = exported.half()
        example = np.zeros((settings.batch, *settings.tile, 3), np.uint8)
        self._model = to_onnx(exported, example)
        self._session = _start(self._model, settings)

    def dump(self) -> bytes:
        """Return the network as an ONNX file; see :meth:`.Runtime.dump`.

        What ONNX Runtime makes of it depends on the processor, and takes no time.
        """
        model, self._model = self._model, b""
        return model

    @classmethod
    def restore(
        cls, content: bytes, outputs: tuple[RawOutput, ...], settings: RuntimeSettings
    ) -> Self:
        """Return a runtime that was dumped; see :meth:`.Runtime.restore`."""
        self = cls.__new__(cls)
        self.settings, self.outputs = settings, outputs
        self._session = _start(content, settings)
        return self

    @staticmethod
    def _refuse(kind: str, settings: RuntimeSettings) -> None:
        import onnxruntime

        if _PROVIDERS[kind] not in onnxruntime.get_available_providers():
            raise RuntimeUnavailableError(
                f"the installed ONNX Runtime does not run on {settings.device}",
                "`device`",
                "Install onnxruntime-gpu for CUDA, or use `device=cpu`.",
            )
        if settings.precision != "fp32" and (kind, settings.precision) != ("cuda", "fp16"):
            raise RuntimeUnavailableError(
                f"ONNX Runtime does not compute in {settings.precision} on {settings.device}",
                "`precision`",
                "Use `precision=fp32`.",
            )

    def run(self, tiles: Bytes) -> dict[str, npt.NDArray[Any]]:
        """Segment a batch; see :meth:`Runtime.run`."""
        results = self._session.run(list(self.outputs), {"tiles": tiles})
        return dict(zip(self.outputs, results, strict=True))


def _start(model: bytes, settings: RuntimeSettings) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    # Warnings of its optimiser tell nobody anything.
    options.log_severity_level = 3
    kind, _, number = settings.device.partition(":")
    chosen: dict[str, Any] = {"device_id": int(number)} if number else {}
    providers = [(_PROVIDERS[kind], chosen)]
    if kind != "cpu":
        providers.append((_PROVIDERS["cpu"], {}))
    return onnxruntime.InferenceSession(model, options, providers=providers)
