"""Fresh networks that do something, though they have learnt nothing."""

from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import nn

from wsiseg.models import create_model
from wsiseg.models.networks.network import SegmentationNetwork

N = TypeVar("N", bound=SegmentationNetwork)


def lively(name: str, classes: int = 6, **arguments: object) -> SegmentationNetwork:
    """Return a network whose logits differ from pixel to pixel, in evaluation mode."""
    torch.manual_seed(classes)
    return enliven(create_model(name, classes, **arguments))


def enliven(network: N) -> N:
    """Give batch norms weights of their own, and the statistics of pictures of noise.

    That keeps activations of any depth at the size of their input.
    """
    for norm in norms(network):
        norm.momentum = None
        if norm.affine:
            nn.init.uniform_(norm.weight, 0.6, 1.4)
            nn.init.uniform_(norm.bias, 0.1, 0.5)
    with torch.no_grad():
        network.train().supervised(torch.randn(3, 3, 64, 128))
    return network.eval()


def norms(network: nn.Module) -> Iterator[nn.BatchNorm2d]:
    """Yield the batch norms of a network."""
    return (module for module in network.modules() if isinstance(module, nn.BatchNorm2d))
