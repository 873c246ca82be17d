"""TensorRT: engines that NVIDIA's library builds for one GPU, one shape and one format."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wsiseg.errors import RuntimeUnavailableError
from wsiseg.models.outputs import RawOutput
from wsiseg.models.runtimes.cache import Json
from wsiseg.models.runtimes.kept_runtime import KeptRuntime
from wsiseg.models.runtimes.runtime import Bytes, Precision, Running, RuntimeSettings

if TYPE_CHECKING:
    import torch

    from wsiseg.models.tile_network import TileNetwork


_LONGEST = 300
"""Letters of what TensorRT says that are handed on."""


class TensorRtRuntime(KeptRuntime):
    """A network executed by TensorRT, from its ONNX export.

    PyTorch holds its buffers, and copies beside it as for networks of its own.

    Raises
    ------
    RuntimeUnavailableError
        If TensorRT does not take the network, or does not compute in the precision.
    """

    name = extra = "tensorrt"
    packages = ("tensorrt", "onnx", "onnxscript")
    devices = ("cuda",)
    precisions = ("fp32", "fp16")
    batches_ahead = 1
    takes_fewer = True

    _content: bytes

    def __init__(self, network: TileNetwork, settings: RuntimeSettings) -> None:
        super().__init__(network, settings)
        model = as_onnx(network, settings)
        with _current(settings.device):
            content = build_engine(model)
        self._begin(content)

    def dump(self) -> bytes:
        """Return the engine; see :meth:`.KeptRuntime.dump`."""
        content, self._content = self._content, b""
        return content

    @classmethod
    def versions(cls) -> dict[str, Json]:
        """Return the versions of what an engine is made with; see :meth:`.Runtime.versions`."""
        import tensorrt

        # Its packages are called after versions of CUDA.
        return super().versions() | {"tensorrt": tensorrt.__version__}

    @classmethod
    def hardware(cls, settings: RuntimeSettings) -> Json:
        """Return the GPU, for which alone an engine is made; see :meth:`.Runtime.hardware`.

        Parameters
        ----------
        settings : RuntimeSettings
            Its device counts.
        """
        import torch

        gpu = torch.cuda.get_device_properties(settings.device)
        return [gpu.name, gpu.major, gpu.minor]

    @classmethod
    def auto_precision(cls, device: str) -> Precision:
        """Return fp16, for which engines are made; see :meth:`.Runtime.auto_precision`.

        Parameters
        ----------
        device : str
            A GPU.
        """
        return "fp16"

    def run(self, tiles: Bytes) -> dict[str, npt.NDArray[Any]]:
        """Segment a batch; see :meth:`.Runtime.run`."""
        return self.start(tiles).result()

    def start(self, tiles: Bytes) -> Running:
        """Start a batch; see :meth:`.TileRunner.start`."""
        return self._pipeline.start(tiles)

    def _begin(self, content: bytes) -> None:
        import torch

        from wsiseg.models.runtimes.cuda import CudaPipeline

        self._content = content
        device = torch.device(self.settings.device)
        shape = (self.settings.batch, *self.settings.tile, 3)
        with _current(self.settings.device):
            engine = _Engine(content, self.outputs, device)
            self._pipeline = CudaPipeline(engine, device, shape, "eager", fixed=True)


class _Engine:
    """An engine on its GPU; see :class:`wsiseg.models.runtimes.cuda.TensorNetwork`."""

    def __init__(
        self, content: bytes, outputs: tuple[RawOutput, ...], device: torch.device
    ) -> None:
        import tensorrt
        import torch

        self.outputs = outputs
        logger = _logger()
        # It lives as long as what it has made.
        self._runtime = tensorrt.Runtime(logger)
        self._engine = self._runtime.deserialize_cuda_engine(content)
        if self._engine is None:
            raise RuntimeUnavailableError(f"TensorRT does not take its engine: {logger.last()}")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise RuntimeUnavailableError(f"TensorRT cannot run its engine: {logger.last()}")
        self._results = tuple(
            torch.empty(
                tuple(self._engine.get_tensor_shape(name)),
                dtype=torch.float32 if name == "shares" else torch.uint8,
                device=device,
            )
            for name in outputs
        )
        for name, result in zip(outputs, self._results, strict=True):
            self._context.set_tensor_address(name, result.data_ptr())

    def __call__(self, tiles: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Run it on the current stream; the results are overwritten by the next call."""
        self._context.set_tensor_address("tiles", tiles.data_ptr())
        if not self._context.execute_async_v3(_stream_handle()):
            raise RuntimeUnavailableError(f"TensorRT cannot run its engine: {_logger().last()}")
        return self._results


def as_onnx(network: TileNetwork, settings: RuntimeSettings) -> bytes:
    """Return a network as an ONNX file in the format in which TensorRT is to compute.

    TensorRT takes the formats of the graph as they are, and 8-bit numbers only where they come in
    or go out: pixels become wide before anything else is done.

    Parameters
    ----------
    network : TileNetwork
        In fp32; left as it is.
    settings : RuntimeSettings
        Batch, tile and precision.

    Raises
    ------
    RuntimeUnavailableError
        If the precision is none of TensorRT's here.
    """
    import torch

    from wsiseg.models.cloning import clone
    from wsiseg.models.exporting.onnx import to_onnx
    from wsiseg.models.runtimes.narrowing import narrow

    match settings.precision:
        case "fp32":
            exported = clone(network).requires_grad_(False)
        case "fp16":
            exported = narrow(network, torch.float16, norms=True)
        case _:
            raise RuntimeUnavailableError(
                f"networks run in fp32 or fp16 by TensorRT, not in {settings.precision}",
                "`precision`",
                "Use `precision=fp16`.",
            )
    exported.register_forward_pre_hook(lambda _, inputs: (inputs[0].to(torch.float32),))
    return to_onnx(exported, np.zeros((settings.batch, *settings.tile, 3), np.uint8))


def build_engine(model: bytes) -> bytes:
    """Return an engine for the GPU that is current; that takes a minute.

    Parameters
    ----------
    model : bytes
        An ONNX file.

    Raises
    ------
    RuntimeUnavailableError
        With what TensorRT says.
    """
    import tensorrt

    logger = _logger()
    builder = tensorrt.Builder(logger)
    # Needed before TensorRT 11, and all that there is since.
    typed = 1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(typed)
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(model):
        said = "; ".join(str(parser.get_error(k).desc()) for k in range(parser.num_errors))
        raise RuntimeUnavailableError(
            f"TensorRT does not take the network: {said[:_LONGEST] or logger.last()}",
            None,
            "Use `runtime=torch`.",
        )
    config = builder.create_builder_config()
    # Labels are to be those of a CPU, and pixels without numbers are to be told.
    config.clear_flag(tensorrt.BuilderFlag.TF32)
    config.set_flag(tensorrt.BuilderFlag.STRICT_NANS)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise RuntimeUnavailableError(
            f"TensorRT cannot build an engine: {logger.last()}", None, "Use `runtime=torch`."
        )
    return bytes(plan)


def _current(device: str) -> AbstractContextManager[Any]:
    """Make a GPU the current one, which is the one that TensorRT takes."""
    import torch

    return torch.cuda.device(device)


def _stream_handle() -> int:
    import torch

    handle: int = torch.cuda.current_stream().cuda_stream
    return handle


@functools.cache
def _logger() -> Any:
    """Return what TensorRT tells its errors; there is one in a process."""
    import tensorrt

    class Logger(tensorrt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)
            self._last = ""

        def log(self, severity: Any, message: str) -> None:
            worst = tensorrt.ILogger.Severity
            if severity in (worst.INTERNAL_ERROR, worst.ERROR):
                self._last = message

        def last(self) -> str:
            return " ".join(self._last.split())[:_LONGEST] or "it does not say why"

    return Logger()
