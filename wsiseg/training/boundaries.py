"""Boundaries between labels, for networks with a boundary head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from wsiseg.annotations.labels import IGNORED

SURE = 0.8
"""Probability of a boundary from which on it counts as one."""

_LAPLACIANS = {1: 0.6, 2: 0.3, 4: 0.1}
"""Weights of what Laplacians find, by their strides."""
_EDGE = 0.1
"""What an edge has to exceed."""
_REACH = 4
"""Pixels from which a label can change the boundary of another."""


def find_boundaries(labels: Tensor) -> Tensor:
    """Return where labels change, four pixels wide (PIDNet paper, section 4.4).

    What is ignored has no boundary.

    Parameters
    ----------
    labels : Tensor
        int64 ``(B, H, W)``.

    Returns
    -------
    Tensor
        bool ``(B, H, W)``.
    """
    found = torch.zeros_like(labels, dtype=torch.bool)
    for axis in (1, 2):
        length = labels.shape[axis] - 1
        first, second = labels.narrow(axis, 0, length), labels.narrow(axis, 1, length)
        change = (first != second) & (first != IGNORED) & (second != IGNORED)
        for start in (0, 1):
            found.narrow(axis, start, length).logical_or_(change)
    wide = F.max_pool2d(found.unsqueeze(1).float(), 3, stride=1, padding=1).squeeze(1) > 0
    return wide & (labels != IGNORED)


def keep_boundaries(labels: Tensor, boundaries: Tensor) -> Tensor:
    """Return labels that are ignored wherever the network is not sure of a boundary.

    Parameters
    ----------
    labels : Tensor
        int64 ``(B, H, W)``.
    boundaries : Tensor
        Logits of boundaries, ``(B, 1, H, W)``.

    Returns
    -------
    Tensor
        int64 ``(B, H, W)``; 255 away from boundaries.
    """
    sure = boundaries.detach().squeeze(1).sigmoid() > SURE
    return torch.where(sure, labels, torch.full_like(labels, IGNORED))


@torch.no_grad()
def find_detail(labels: Tensor) -> Tensor:
    """Turn labels into boundaries as STDC-Seg learns them (Fan et al., CVPR 2021, section 3.2).

    Laplacians of three strides are added up.  The outermost labels are repeated around the
    picture, where the authors put zeros, which would draw its frame.  Close to labels that are
    ignored, boundaries are ignored.

    Parameters
    ----------
    labels : Tensor
        int64 ``(B, H, W)``.

    Returns
    -------
    Tensor
        int64 ``(B, H, W)``: 1 for a boundary, 0 for none, or ignored.
    """
    values = labels.unsqueeze(1).float()
    laplacian = values.new_full((1, 1, 3, 3), -1.0)
    laplacian[..., 1, 1] = 8.0
    framed = F.pad(values, (1, 1, 1, 1), mode="replicate")
    found = torch.zeros_like(values)
    for stride, weight in _LAPLACIANS.items():
        edges = (F.conv2d(framed, laplacian, stride=stride) > _EDGE).float()
        found += weight * F.interpolate(edges, labels.shape[-2:])
    unknown = F.max_pool2d((values == IGNORED).float(), 2 * _REACH + 1, 1, _REACH) > 0
    return (found > _EDGE).long().masked_fill(unknown, IGNORED).squeeze(1)
