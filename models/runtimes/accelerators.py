"""Whether PyTorch may see a GPU here: a machine without one is told by its missing driver."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

_LINUX_DEVICES = ("nvidia*", "nvhost*", "nvgpu*", "nvmap", "dxg", "kfd")
"""Under ``/dev``: NVIDIA's cards, its Jetsons, Windows' GPUs in a Linux below it, AMD's cards."""

_WINDOWS_DRIVERS = ("nvcuda.dll", "amdhip64*.dll")


def may_have_accelerator() -> bool:
    """Tell whether PyTorch is to be asked for a GPU, which takes a second where it is not loaded.

    Returns
    -------
    bool
        False only where there is no driver of any.
    """
    if "torch" in sys.modules:
        # To ask costs nothing.
        return True
    if sys.platform == "linux":
        return _holds(Path("/dev"), _LINUX_DEVICES)
    if sys.platform == "win32":
        system = Path(os.environ.get("SYSTEMROOT", "C:/Windows"), "System32")
        return _holds(system, _WINDOWS_DRIVERS)
    return sys.platform != "darwin" or platform.machine() == "arm64"


def _holds(folder: Path, patterns: tuple[str, ...]) -> bool:
    return any(found for pattern in patterns for found in folder.glob(pattern))
