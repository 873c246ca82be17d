"""A head that learns where objects end, as STDC-Seg has it (Fan et al., CVPR 2021)."""

from __future__ import annotations

import torch
from torch import nn

from wsiseg.models.layers.class_head import ClassHead

WEIGHTS = (0.6, 0.3, 0.1)
"""Of the boundaries found at three strides."""


class DetailHead(ClassHead):
    """A head with two channels, *no boundary* and *boundary* (section 3.2).

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
