"""Weight initialisation where no batch norm keeps the variance of activations."""

from __future__ import annotations

import math

from torch import nn


def he_initialise(network: nn.Module) -> None:
    """Initialise convolutions for ReLU by He's (Kaiming) normal distribution.

    He et al., ICCV 2015.  PyTorch's default shrinks the variance sixfold with each layer, and lets
    hardly anything through a network as deep as VGG-16.

    Parameters
    ----------
    network : Module
        Weights of convolutions and deconvolutions in it are drawn anew, biases set to zero.
    """
    for module in network.modules():
        if not isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            continue
        if module.weight.is_meta:
            # There is nothing to draw, and PyTorch would import its compiler for it.
            continue
        inputs = module.in_channels // module.groups * math.prod(module.kernel_size)
        if isinstance(module, nn.ConvTranspose2d):
            inputs //= math.prod(module.stride)
        nn.init.normal_(module.weight, std=math.sqrt(2 / inputs))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
