"""Adaptive average pooling that can be exported to ONNX."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def adaptive_avg_pool(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Average over a fixed number of regions, whatever the size of the map.

    ONNX has no such pooling.  In an export it is written as a product with a constant matrix along
    each axis, for maps of the size that is exported.

    Parameters
    ----------
    x : Tensor
        ``(B, C, H, W)``.
    size : tuple of int
        Regions along each axis; they overlap where they do not divide the map.

    Returns
    -------
    Tensor
        ``(B, C, *size)``.
    """
    if not torch.onnx.is_in_onnx_export():
        return F.adaptive_avg_pool2d(x, size)
    rows, columns = (
        _shares(int(length), int(count)).to(x.dtype)
        for length, count in zip(x.shape[2:], size, strict=True)
    )
    pooled: Tensor = rows @ x @ columns.T
    return pooled


def _shares(length: int, regions: int) -> Tensor:
    """Return what each pixel adds to each region's average, ``(regions, length)``."""
    shares = np.zeros((regions, length), np.float32)
    for region, row in enumerate(shares):
        first, end = region * length // regions, -(-(region + 1) * length // regions)
        row[first:end] = 1 / (end - first)
    return torch.from_numpy(shares)
