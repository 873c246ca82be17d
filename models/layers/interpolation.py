"""Enlarging and shrinking maps between their pixels' centres."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def resize(x: Tensor, size: torch.Size) -> Tensor:
    """Map ``(B, C, H, W)`` to height and width `size`, bilinear, corners not aligned."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def scale(x: Tensor, factor: float, *, aligned: bool) -> Tensor:
    """Map ``(B, C, H, W)`` to `factor` times its height and width, bilinear."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=aligned)
