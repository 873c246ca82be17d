"""Merging linear layers: a batch norm into a convolution, parallel convolutions into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsiseg.models.cloning import clone

C = TypeVar("C", bound=nn.Conv2d | nn.ConvTranspose2d)


def norm_factors(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return what a batch norm multiplies and adds in evaluation, float64 ``(channels,)`` each."""
    if norm.running_mean is None or norm.running_var is None:
        msg = "a batch norm without running statistics depends on the batch"
        raise ValueError(msg)
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = norm.weight.detach().double() * scale
    shift = -norm.running_mean.double() * scale
    if norm.bias is not None:
        shift = norm.bias.detach().double() + shift
    return scale, shift


def with_kernel(conv: C, weight: Tensor, bias: Tensor) -> C:
    """Return a copy of a convolution with another kernel and bias.

    Parameters
    ----------
    conv : Conv2d or ConvTranspose2d
        Left as it is.
    weight : Tensor
        Of the same shape as the convolution's.
    bias : Tensor
        ``(outputs,)``.
    """
    made = clone(conv)
    learns = conv.weight.requires_grad
    made.weight = nn.Parameter(weight.to(conv.weight), requires_grad=learns)
    made.bias = nn.Parameter(bias.to(conv.weight), requires_grad=learns)
    return made


def merge_norm(conv: C, norm: nn.BatchNorm2d) -> C:
    """Return one convolution that does what a convolution and the batch norm behind it do.

    Parameters
    ----------
    conv : Conv2d or ConvTranspose2d
        Left as it is.
    norm : BatchNorm2d
        Applied to its result, in evaluation mode.

    Raises
    ------
    ValueError
        If the batch norm has no running statistics.
    """
    scale, shift = norm_factors(norm)
    weight = conv.weight.detach().double()
    if isinstance(conv, nn.ConvTranspose2d):
        # (inputs, outputs / groups, …), the inputs of one group after those of another.
        factors = scale.reshape(conv.groups, 1, -1).expand(-1, len(weight) // conv.groups, -1)
        weight = weight * factors.flatten(0, 1)[:, :, None, None]
    else:
        weight = weight * scale[:, None, None, None]
    bias = shift if conv.bias is None else conv.bias.detach().double() * scale + shift
    return with_kernel(conv, weight, bias)


def merge_sum(paths: Sequence[tuple[Tensor, Tensor]], kernel: int) -> tuple[Tensor, Tensor]:
    """Return kernel and bias of the sum of convolutions of the same input.

    Parameters
    ----------
    paths : sequence of (Tensor, Tensor)
        Kernels with odd edges and the same stride, dilation 1 and zeros that keep the size, and
        biases.
    kernel : int
        Edge of the merged kernel; smaller ones stand in its centre.
    """
    margins = [(kernel - weight.shape[-1]) // 2 for weight, _ in paths]
    weights = [F.pad(w, (m, m, m, m)) for (w, _), m in zip(paths, margins, strict=True)]
    return torch.stack(weights).sum(0), torch.stack([bias for _, bias in paths]).sum(0)
