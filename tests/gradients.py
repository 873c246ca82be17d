"""What training reaches."""

import re
from collections.abc import Iterable

import torch
from torch import Tensor, nn


def learn_from(outputs: Iterable[Tensor]) -> None:
    """Go back from outputs to gradients, each value with a weight of its own."""
    torch.stack([(y * torch.randn_like(y)).sum() for y in outputs]).sum().backward()


def assert_reached(network: nn.Module, unlearnt: str = "$") -> None:
    """Check that every parameter has a gradient but those whose names fit a pattern, to the end."""
    for key, parameter in network.named_parameters():
        gradient = parameter.grad
        if re.fullmatch(unlearnt, key):
            assert gradient is None, key
            continue
        assert gradient is not None, key
        assert gradient.isfinite().all(), key
        # Batch norm takes out a bias before it, so only rounding moves that.
        assert gradient.dim() == 1 or gradient.abs().max() > 0, key
