"""Max-pooling that remembers where each maximum was, and its undoing (SegNet, ENet).

Written with comparisons and a pixel shuffle instead of indices into the map, which the runtimes'
importers either refuse or take to slow paths.  Of equal values the first in reading order is the
maximum, as in PyTorch; 8-bit pictures are full of equal values, and ENet's logits depend on it.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Window = Literal[2, 3]


def max_pool(x: Tensor, window: Window = 2) -> tuple[Tensor, Tensor]:
    """Halve a map and say where the maxima were.

    Parameters
    ----------
    x : Tensor
        ``(B, C, H, W)``, H and W even.
    window : {2, 3}
        2×2 windows side by side, or 3×3 ones that overlap, around every second pixel.

    Returns
    -------
    pooled : Tensor
        ``(B, C, H / 2, W / 2)``.
    places : Tensor
        As large: the number of the pixel in its window that was taken, in reading order.
    """
    if window == 3:
        x = F.pad(x, (1, 0, 1, 0), value=-torch.inf)
        steps = [slice(0, -1, 2), slice(1, None, 2), slice(2, None, 2)]
    else:
        steps = [slice(0, None, 2), slice(1, None, 2)]
    pixels = [x[..., rows, columns] for rows in steps for columns in steps]
    pooled, places = pixels[0], torch.zeros_like(pixels[0])
    for number, pixel in enumerate(pixels[1:], start=1):
        larger = pixel > pooled
        pooled = torch.where(larger, pixel, pooled)
        places = torch.where(larger, torch.full_like(places, number), places)
    return pooled, places


def max_unpool(x: Tensor, places: Tensor, window: Window = 2) -> Tensor:
    """Put each value back where the maximum was, with zeros around it.

    Where two 3×3 windows had the same maximum, the value of the later one in reading order stays,
    as in PyTorch.

    Parameters
    ----------
    x, places : Tensor
        ``(B, C, H, W)`` each; the places are those of a pooling with the same `window`.
    window : {2, 3}
        As in :func:`max_pool`.

    Returns
    -------
    Tensor
        ``(B, C, 2 H, 2 W)``.
    """
    nothing = torch.zeros_like(x)
    if window == 2:
        phases = [torch.where(places == number, x, nothing) for number in range(4)]
    else:
        values = _with_later_neighbours(x, 0.0)
        numbers = _with_later_neighbours(places, -1.0)
        phases = []
        # What a pixel of each of the four phases is to its own window and to the later ones.
        for shared in ((4,), (5, 3), (7, None, 1), (8, 6, 2, 0)):
            phase = nothing
            for value, taken, number in zip(values, numbers, shared, strict=False):
                if number is not None:
                    phase = torch.where(taken == number, value, phase)
            phases.append(phase)
    return F.pixel_shuffle(torch.stack(phases, dim=2).flatten(1, 2), 2)


def _with_later_neighbours(x: Tensor, fill: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return a map, and those of the neighbours to the right, below, and below to the right."""
    wide = F.pad(x, (0, 1, 0, 1), value=fill)
    return x, wide[..., :-1, 1:], wide[..., 1:, :-1], wide[..., 1:, 1:]
