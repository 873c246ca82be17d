"""Weights to begin with where no batch norm keeps signals at their size."""

from __future__ import annotations

import math

from torch import nn


def he_initialise(network: nn.Module) -> None:
    """Draw weights such that a convolution and a ReLU behind it keep the variance.

    He et al., ICCV 2015.  PyTorch's own weights shrink it sixfold with each layer, and let hardly
    anything through a network as deep as VGG-16.

    Parameters
    ----------
    network : Module
        Convolutions and deconvolutions in it are drawn anew, their biases set to zero.
    """
    for module in network.modules():
        if not isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            continue
        inputs = module.in_channels // module.groups * math.prod(module.kernel_size)
        if isinstance(module, nn.ConvTranspose2d):
            inputs //= math.prod(module.stride)
        nn.init.normal_(module.weight, std=math.sqrt(2 / inputs))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
