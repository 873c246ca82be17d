"""ONNX Runtime: on CPUs and on what GPUs the package of it that is installed knows."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wsiseg.errors import CheckpointError, RuntimeUnavailableError
from wsiseg.models.exporting.format import INPUT
from wsiseg.models.outputs import RawOutput
from wsiseg.models.quantised import Int8Form
from wsiseg.models.runtimes.cache import cache_folder
from wsiseg.models.runtimes.kept_runtime import KeptRuntime
from wsiseg.models.runtimes.runtime import Bytes, Precision, RuntimeSettings

if TYPE_CHECKING:
    import onnx
    import onnxruntime

    from wsiseg.models.tile_network import TileNetwork

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "mps": "CoreMLExecutionProvider",
    "dml": "DmlExecutionProvider",
}
"""What ONNX Runtime calls what runs a network on each kind of device."""

_TENSORRT = "TensorrtExecutionProvider"
"""Goes before CUDA where TensorRT's libraries are installed as well."""

_PACKAGES = {"cuda": "onnxruntime-gpu", "dml": "onnxruntime-directml"}
"""What brings them, in place of ``onnxruntime``."""

_PLACES = {"fp16": ("cuda", "dml"), "bf16": (), "int8": ("cpu",)}
"""Kinds of device that compute in each precision; all in fp32."""


class OnnxRuntime(KeptRuntime):
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
    precisions = ("fp32", "fp16", "bf16", "int8")

    def __init__(self, network: TileNetwork, settings: RuntimeSettings) -> None:
        import torch

        from wsiseg.models.cloning import clone
        from wsiseg.models.exporting.onnx import to_onnx
        from wsiseg.models.runtimes.narrowing import narrow

        super().__init__(network, settings)
        self._refuse(settings)
        if settings.precision == "int8":
            self._model = _open_int8_form(network.require_int8_form(), settings, network.outputs)
        else:
            if settings.precision == "fp16":
                exported = narrow(network, torch.float16, norms=True)
            else:
                exported = clone(network).requires_grad_(False)
            example = np.zeros((settings.batch, *settings.tile, 3), np.uint8)
            self._model = to_onnx(exported, example)
        self._begin(self._model)

    def dump(self) -> bytes:
        """Return the network as an ONNX file; see :meth:`.KeptRuntime.dump`.

        What ONNX Runtime makes of it depends on the processor, and takes no time.
        """
        model, self._model = self._model, b""
        return model

    @classmethod
    def check_device(cls, device: str) -> None:
        """Refuse a device that the installed package does not know; see :class:`.Runtime`.

        Parameters
        ----------
        device : str
            As in the settings.
        """
        import onnxruntime

        kind = device.partition(":")[0]
        if _PROVIDERS.get(kind) not in onnxruntime.get_available_providers():
            package = _PACKAGES.get(kind)
            way_out = "" if package is None else f", or install {package} in place of onnxruntime"
            raise RuntimeUnavailableError(
                f"the installed ONNX Runtime does not run on {device}",
                "`device`",
                f"Use `device=cpu`{way_out}.",
            )

    @classmethod
    def auto_precision(cls, device: str) -> Precision:
        """Return fp16 on NVIDIA's GPUs; see :meth:`.Runtime.auto_precision`.

        Parameters
        ----------
        device : str
            As in the settings.
        """
        return "fp16" if device.startswith("cuda") else "fp32"

    @property
    def notes(self) -> tuple[str, ...]:
        """What it had to do otherwise; see :class:`.TileRunner`."""
        return self._notes

    @staticmethod
    def _refuse(settings: RuntimeSettings) -> None:
        """Refuse what a device does not compute in, or would only emulate."""
        kind = settings.device.partition(":")[0]
        if kind not in _PLACES.get(settings.precision, _PROVIDERS):
            raise RuntimeUnavailableError(
                f"ONNX Runtime does not compute in {settings.precision} on {settings.device}",
                "`precision`",
                "Use `precision=fp32`.",
            )

    def _begin(self, model: bytes) -> None:
        self._session = _start(model, self.settings)
        wanted, used = _providers(self.settings), self._session.get_providers()
        # It goes on with the next one where the libraries of one do not load.
        if _PROVIDERS[self.settings.device.partition(":")[0]] not in used:
            raise RuntimeUnavailableError(
                f"ONNX Runtime cannot load what it needs on {self.settings.device}",
                "`device`",
                "Install the versions of CUDA and cuDNN that it wants, or use `device=cpu`.",
            )
        missing = (name.removesuffix("ExecutionProvider") for name, _ in wanted if name not in used)
        self._notes = tuple(f"ONNX Runtime cannot load {name} and goes without" for name in missing)

    def run(self, tiles: Bytes) -> dict[str, npt.NDArray[Any]]:
        """Segment a batch; see :meth:`Runtime.run`."""
        results = self._session.run(list(self.outputs), {INPUT: tiles})
        return dict(zip(self.outputs, results, strict=True))


def _open_int8_form(
    form: Int8Form, settings: RuntimeSettings, outputs: Sequence[RawOutput]
) -> bytes:
    """Return an int8 form as an ONNX file for tiles of one shape that gives some of its outputs."""
    import onnx

    whole = onnx.load_from_string(form.graph)
    if any(each.data_location == onnx.TensorProto.EXTERNAL for each in _tensors(whole)):
        raise CheckpointError(
            "its int8 form refers to other files",
            None,
            "Make it again with 'wsiseg models quantize'.",
        )
    model = onnx.utils.Extractor(whole).extract_model([INPUT], list(outputs))
    shape = (settings.batch, *settings.tile, 3)
    for dim, edge in zip(model.graph.input[0].type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = edge
    # What was inferred of tiles of any shape.
    del model.graph.value_info[:]
    content: bytes = model.SerializeToString()
    return content


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors


def _start(model: bytes, settings: RuntimeSettings) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    # Warnings of its optimiser tell nobody anything.
    options.log_severity_level = 3
    if settings.device.startswith("dml"):
        # DirectML wants it so.
        options.enable_mem_pattern = False
    if settings.device.startswith("cuda") and hasattr(onnxruntime, "preload_dlls"):
        # CUDA and cuDNN as PyTorch or packages of NVIDIA bring them.
        onnxruntime.preload_dlls()
    return onnxruntime.InferenceSession(model, options, providers=_providers(settings))


def _providers(settings: RuntimeSettings) -> list[tuple[str, dict[str, Any]]]:
    """Return what is to run a network, in the order in which layers are given to it."""
    import onnxruntime

    kind, _, number = settings.device.partition(":")
    place: dict[str, Any] = {"device_id": int(number)} if number else {}
    found = [(_PROVIDERS[kind], place)]
    if kind == "cuda":
        exact = {"use_tf32": 0, "cudnn_conv_algo_search": "EXHAUSTIVE"}
        found = [(_PROVIDERS[kind], {**place, **exact})]
        known = _TENSORRT in onnxruntime.get_available_providers()
        # The package knows TensorRT whether it is installed or not.
        if known and importlib.util.find_spec("tensorrt") is not None:
            engines = cache_folder() / "engines"
            kept = {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(engines)}
            found.insert(0, (_TENSORRT, {**place, **kept}))
    return found if kind == "cpu" else [*found, (_PROVIDERS["cpu"], {})]
