"""The settings of a run as typed keywords, which editors complete.

Names and types are those of :class:`wsiseg.segmentation.options.SegmentOptions`, with which a test
compares them: a type checker cannot read them off a model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from wsiseg.refining.keywords import RefineKeywords
from wsiseg.segmentation.options import OnBadNumbers, OnBadTile
from wsiseg.tiling.blending import Blend
from wsiseg.tiling.uncertainty import Uncertainty


class SegmentKeywords(RefineKeywords, total=False):
    """Keywords of :func:`wsiseg.segment`."""

    mpp: float | None
    slide_mpp: float | None
    override_mpp: bool
    force: bool
    level: int | None
    tile: int | None
    halo: int | None
    blend: Blend
    tta: bool
    tissue: str | Path
    roi: str | Path | None
    reader: str | None
    icc: bool
    stain: Literal["macenko", "reinhard", "vahadane"] | None
    stain_reference: str | Path | None
    runtime: str
    precision: Literal["auto", "fast", "fp32", "fp16", "bf16", "int8"]
    device: str
    threads: int | None
    batch: int | None
    readers: int | None
    memory: int | str
    with_image: bool
    probabilities: bool
    uncertainty: Uncertainty | None
    resume: bool
    overwrite: bool
    on_bad_tile: OnBadTile
    on_bad_numbers: OnBadNumbers
    max_bad_tiles: int | str
