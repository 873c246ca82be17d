"""The cascade feature fusion of ICNet (Zhao et al., ECCV 2018, §3.3)."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.layers.plain import conv_norm, conv_norm_relu

Form = Literal["authors", "mmseg", "caffe"]
"""Whose ICNet it belongs to; see :class:`wsiseg.models.networks.icnet.ICNet`."""


class CascadeFusion(nn.Module):
    """Enlarge the map of a smaller picture and add it to that of a larger one.

    Parameters
    ----------
    low, high : int
        Channels of the smaller and of the larger map.
    outputs : int
        Channels out.
    form : {"authors", "mmseg", "caffe"}
        With ``mmseg``, both maps pass a ReLU before the sum as well, and enlarging does not align
        the corner pixels.  With ``caffe``, training classifies the enlarged map before its
        convolution, as the paper describes, else after it.

    Attributes
    ----------
    seen : int
        Channels of the map that training classifies.
    """

    def __init__(self, low: int, high: int, outputs: int, form: Form) -> None:
        super().__init__()
        self._form = form
        convolve = conv_norm_relu if form == "mmseg" else conv_norm
        self.low = convolve(low, outputs, dilation=2)
        self.high = convolve(high, outputs, kernel=1)
        self.seen = low if form == "caffe" else outputs

    def forward(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fused map, and what training classifies of the smaller one."""
        enlarged = F.interpolate(
            low, size=high.shape[2:], mode="bilinear", align_corners=self._form != "mmseg"
        )
        convolved = self.low(enlarged)
        fused = F.relu(convolved + self.high(high))
        return fused, enlarged if self._form == "caffe" else convolved
