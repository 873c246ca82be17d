"""Whole-slide segmentation: slides in, multiscale masks out, tile by tile, without seams."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsiseg import models as models
    from wsiseg import tiling as tiling
    from wsiseg import training as training
    from wsiseg.models import load_checkpoint as load_checkpoint
    from wsiseg.segmentation.segmenting import SegmentResult as SegmentResult
    from wsiseg.segmentation.segmenting import segment as segment
    from wsiseg.tiling.slides import open_slide as open_slide

# Loaded at first use, so that `import wsiseg` and `wsiseg --help` do not wait for torch.
_HOMES = {
    "SegmentResult": "wsiseg.segmentation.segmenting",
    "load_checkpoint": "wsiseg.models",
    "models": "wsiseg.models",
    "open_slide": "wsiseg.tiling.slides",
    "segment": "wsiseg.segmentation.segmenting",
    "tiling": "wsiseg.tiling",
    "training": "wsiseg.training",
}

__all__ = [
    "SegmentResult",
    "load_checkpoint",
    "models",
    "open_slide",
    "segment",
    "tiling",
    "training",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    home = importlib.import_module(_HOMES[name])
    value = globals()[name] = home if home.__name__.endswith(f".{name}") else getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
