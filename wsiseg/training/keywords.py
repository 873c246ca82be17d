"""The settings of a training, and of scoring, as typed keywords, which editors complete.

Names and types are those of :class:`wsiseg.training.options.TrainOptions` and
:class:`wsiseg.training.options.EvaluateOptions`, with which a test compares them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypedDict

from wsiseg.tiling.blending import Blend


class TrainKeywords(TypedDict, total=False):
    """Keywords of :func:`wsiseg.train`."""

    mpp: float | None
    slide_mpp: float | None
    override_mpp: bool
    scale: float | None
    model: str | None
    arguments: dict[str, bool | int | float | str]
    freeze_encoder: bool
    recipe: str
    epochs: int | None
    batch: int | None
    lr: float | None
    tile: int | None
    tiles: int | None
    augment: Literal["auto", "tissue", "street", "photometric", "none"]
    balance: float | None
    loss: str
    ema: float | None
    clip: float | None
    patience: int | None
    seed: int
    val_fraction: float
    val_only: str | Path | None
    val_every: int
    tensorboard: bool
    wandb: bool
    precision: Literal["fp32", "fp16", "bf16"]
    device: Literal["auto", "cpu", "cuda", "mps"]
    devices: int
    strategy: str
    workers: int | None
    threads: int | None


class EvaluateKeywords(TypedDict, total=False):
    """Keywords of :func:`wsiseg.evaluate`."""

    mpp: float | None
    slide_mpp: float | None
    override_mpp: bool
    force: bool
    scale: float | None
    tile: int | None
    halo: int | None
    blend: Blend
    tta: bool
    runtime: str
    precision: Literal["auto", "fast", "fp32", "fp16", "bf16", "int8"]
    device: str
    threads: int | None
    boundary: bool
    tolerance: float | None
    objects: str | None
    smallest: int
    worst: int
