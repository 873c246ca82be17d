"""Learning where objects end, as STDC-Seg does (Fan et al., CVPR 2021, section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.class_head import ClassHead

STRIDES = (1, 2, 4)
"""Strides of the Laplacian; what they find is added up with the weights below."""

WEIGHTS = (0.6, 0.3, 0.1)

THRESHOLD = 0.1
"""What a boundary has to exceed."""

REACH = 4
"""Pixels from which a label can change the boundary of another."""


class WithDetail(tuple[Tensor, ...]):  # noqa: SLOT001 -- tuples of any length have none
    """Logits as `supervised` returns them, and beside them those of a :class:`DetailHead`.

    Parameters
    ----------
    logits : iterable of Tensor
        ``(B, classes, h, w)`` each, the main ones first.
    detail : Tensor
        ``(B, 2, H, W)``.
    draw : callable
        From labels ``(B, H, W)``, and the one that stands for pixels that nobody annotated, to
        what `detail` is compared with.
    """

    detail: Tensor
    draw: Callable[[Tensor, int], Tensor]

    def __new__(
        cls, logits: Iterable[Tensor], detail: Tensor, draw: Callable[[Tensor, int], Tensor]
    ) -> Self:
        """Make the tuple of logits, and put the others beside it."""
        made = super().__new__(cls, logits)
        made.detail = detail
        made.draw = draw
        return made


class DetailHead(ClassHead):
    """A head with two channels, *no boundary* and *boundary*, and how labels are drawn as such.

    The weights of the three strides count as learnable, as they do in the authors' code; as a
    threshold follows, they never get a gradient, there or here.

    Parameters
    ----------
    inputs, width : int
        Channels in, and between.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(inputs, width, 2)
        self.weights = nn.Parameter(torch.tensor(WEIGHTS).reshape(1, 3, 1, 1))

    @torch.no_grad()
    def draw(self, labels: Tensor, ignored: int) -> Tensor:
        """Turn labels into boundaries.

        The outermost labels are repeated around the picture, where the authors put zeros, which
        would draw its frame.  Close to labels that are ignored, boundaries are ignored.

        Parameters
        ----------
        labels : Tensor
            int64 ``(B, H, W)``.
        ignored : int
            Label of pixels that nobody annotated.

        Returns
        -------
        Tensor
            int64 ``(B, H, W)``: 1 for a boundary, 0 for none, or `ignored`.
        """
        size = labels.shape[-2:]
        values = labels.unsqueeze(1).to(self.weights.dtype)
        laplacian = values.new_full((1, 1, 3, 3), -1.0)
        laplacian[..., 1, 1] = 8.0
        framed = F.pad(values, (1, 1, 1, 1), mode="replicate")
        edges = [
            F.interpolate((F.conv2d(framed, laplacian, stride=stride) > THRESHOLD).float(), size)
            for stride in STRIDES
        ]
        boundaries = (F.conv2d(torch.cat(edges, dim=1), self.weights) > THRESHOLD).long()
        unknown = F.max_pool2d((values == ignored).float(), 2 * REACH + 1, 1, REACH) > 0
        return boundaries.masked_fill(unknown, ignored).squeeze(1)
