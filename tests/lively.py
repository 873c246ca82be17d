"""Fresh networks that do something, though they have learnt nothing."""

import torch
from torch import nn

from wsiseg.models import create_model
from wsiseg.models.networks.network import SegmentationNetwork


def lively(name: str, classes: int = 6, **arguments: object) -> SegmentationNetwork:
    """Return a network with batch norms that do something, in evaluation mode."""
    torch.manual_seed(classes)
    network = create_model(name, classes, **arguments)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.6, 1.4)
            nn.init.uniform_(module.bias, 0.2, 1.0)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.2, 1.0)
    return network.eval()
