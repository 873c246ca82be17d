"""Bilinear interpolation of maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def resize(x: Tensor, size: torch.Size) -> Tensor:
    """Resize a map to a size, bilinear, corners not aligned.

    Parameters
    ----------
    x : Tensor
        ``(B, C, H, W)``.
    size : torch.Size
        ``(height, width)`` of the result.
    """
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def scale(x: Tensor, factor: float, *, aligned: bool) -> Tensor:
    """Resize a map by a factor, bilinear.

    Parameters
    ----------
    x : Tensor
        ``(B, C, H, W)``.
    factor : float
        2 doubles height and width.
    aligned : bool
        Whether corner pixels are aligned (``align_corners``).
    """
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=aligned)
