"""The settings of a prediction as typed keywords, which editors complete.

Names and types are those of :class:`wsiseg.prediction.options.PredictOptions`, with which a test
compares them.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from wsiseg.tiling.blending import Blend


class PredictKeywords(TypedDict, total=False):
    """Keywords of :func:`wsiseg.predict`."""

    scale: float | None
    mpp: float | None
    slide_mpp: float | None
    override_mpp: bool
    force: bool
    tile: int | None
    halo: int | None
    blend: Blend
    tta: bool
    runtime: str
    precision: Literal["auto", "fast", "fp32", "fp16", "bf16", "int8"]
    device: str
    threads: int | None
    opacity: float
