"""Checks devices, runtimes, readers and versions on this machine, for ``wsiseg doctor``."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from wsiseg.throughput.hardware import describe_hardware

_REMOTE = ("fsspec", "aiohttp", "obstore")


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes
    ----------
    name : str
        What was checked.
    ok : bool
        Whether it works.
    detail : str
        What was found, or how to install what is missing.
    optional : bool
        Whether everything else works without it.
    """

    name: str
    ok: bool
    detail: str
    optional: bool = False


def diagnose() -> list[Check]:
    """Check everything that a run needs or could use, and return the results."""
    return [
        Check("wsiseg", True, version("wsiseg")),
        Check("python", sys.version_info >= (3, 11), platform.python_version()),
        _try("machine", _hardware),
        _try("torch", _torch),
        _gpu(),
        _openvino(),
        _onnx(),
        _tensorrt(),
        _extra("training", "train", ("lightning", "matplotlib"), "training and scoring need"),
        _extra("viewer", "viewer", ("napari",), "the window of wsiseg view needs"),
        _extra("dicom", "dicom", ("highdicom",), "DICOM segmentations need"),
        _try("tifffile", _tifffile),
        _try("openslide", _openslide),
        _try("pillow", lambda: version("pillow")),
        _try("zarr", lambda: version("zarr")),
        _extra("addresses", "remote", _REMOTE, "https:// and s3:// need"),
        _extra("hub", "hub", ("huggingface_hub",), "checkpoints at hf:// need"),
        _extra("parquet", "parquet", ("pyarrow",), "measurements as Parquet need"),
        _try("checkpoint", _checkpoints),
        _try("cache", _cache),
    ]


def _try(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except Exception as error:
        # Whatever is wrong with a package, telling so is what this is for.
        hint = "install wsiseg again, or the package that is named"
        return Check(name, False, f"{type(error).__name__}: {error}; {hint}")


def _hardware() -> str:
    found = describe_hardware()
    return f"{found['processor']}, {found['cores']} cores, {found['memory_mb']} MiB"


def _torch() -> str:
    return f"{importlib.import_module('torch').__version__}"


def _gpu() -> Check:
    try:
        import torch

        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        if torch.backends.mps.is_available():
            names.append("Apple GPU (mps)")
    except Exception as error:
        return Check("gpu", False, f"{type(error).__name__}: {error}", optional=True)
    missing = "none that PyTorch sees; networks run on the CPU"
    return Check("gpu", bool(names), ", ".join(names) or missing, optional=True)


def _openvino() -> Check:
    if importlib.util.find_spec("openvino") is None:
        hint = "pip install 'wsiseg[openvino]' makes networks two to three times as fast on a CPU"
        return Check("openvino", False, hint, optional=True)

    def look() -> str:
        from wsiseg.models.runtimes.openvino import openvino_core

        able = openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        formats = ", ".join(f.lower() for f in able if f in ("FP32", "FP16", "BF16", "INT8"))
        return f"{version('openvino')}, CPU with {formats}"

    return _try("openvino", look)


def _onnx() -> Check:
    if importlib.util.find_spec("onnxruntime") is None:
        hint = "pip install 'wsiseg[onnx]' brings ONNX Runtime, and ONNX files of networks"
        return Check("onnx", False, hint, optional=True)

    def look() -> str:
        import onnxruntime

        found = (p.removesuffix("ExecutionProvider") for p in onnxruntime.get_available_providers())
        # That one runs on somebody else's machine.
        names = ", ".join(name for name in found if name != "Azure")
        return f"{onnxruntime.__version__}, runs on {names}"

    return _try("onnx", look)


def _tensorrt() -> Check:
    if importlib.util.find_spec("tensorrt") is None:
        hint = "pip install 'wsiseg[tensorrt]' brings engines for NVIDIA's GPUs; gigabytes"
        return Check("tensorrt", False, hint, optional=True)
    return _try("tensorrt", lambda: f"{importlib.import_module('tensorrt').__version__}")


def _extra(name: str, extra: str, packages: Sequence[str], use: str) -> Check:
    """Tell of packages that an extra brings which versions there are, or what they are for."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        hint = f"without {', '.join(missing)}; pip install 'wsiseg[{extra}]' brings what {use}"
        return Check(name, False, hint, optional=True)
    return _try(name, lambda: ", ".join(f"{each} {version(each)}" for each in packages))


def _tifffile() -> str:
    codecs = importlib.import_module("imagecodecs")
    return f"{version('tifffile')} with imagecodecs {codecs.__version__}"


def _openslide() -> str:
    openslide = importlib.import_module("openslide")
    return f"{version('openslide-python')} with OpenSlide {openslide.__library_version__}"


def _checkpoints() -> str:
    from wsiseg.demo import bundled_checkpoints
    from wsiseg.models.checkpoint import load_checkpoint

    cards = {name: load_checkpoint(path).card for name, path in bundled_checkpoints().items()}
    return "bundled: " + "; ".join(
        f"{name}, {card.architecture}, {len(card.classes)} classes at {card.mpp} µm/px"
        for name, card in cards.items()
    )


def _cache() -> str:
    from wsiseg.models.runtimes.cache import cache_folder, cache_size

    return (
        f"{cache_size() / 1e6:.1f} MB in {cache_folder()}; 'wsiseg doctor --clear-cache' empties it"
    )
