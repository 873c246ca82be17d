"""Layers that have several linear paths in training and one in inference (RDRNet paper, §3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsiseg.models.layers.elementary import BatchNorm, ConvNorm, relu
from wsiseg.models.layers.merging import merge_sum, norm_factors, with_kernel


class ParallelConvolutions(nn.Module):
    """Two 3×3 convolutions of the same input, each normed, added up.

    Parameters
    ----------
    channels : int
        Channels in and out.
    groups : int
        Of both.
    epsilon : float
        Of the batch norms.
    """

    def __init__(self, channels: int, groups: int, epsilon: float) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels, groups=groups, epsilon=epsilon)
        self.second = ConvNorm(channels, channels, groups=groups, epsilon=epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to the same shape."""
        out: Tensor = self.first(x) + self.second(x)
        return out

    def merged(self) -> nn.Module:
        """Return one convolution with the same results in evaluation."""
        paths = [_linear(path) for path in (self.first, self.second)]
        return with_kernel(self.first.conv, *merge_sum(paths, kernel=3))

    def unmerged(self, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
        """Return tensors for this layer that do what a merged kernel does, the second path mute."""
        return {
            "first.conv.weight": weight,
            **_norm_state("first.norm", self.first.norm, bias),
            "second.conv.weight": weight,
            **_norm_state("second.norm", self.second.norm),
        }


class Reparameterisable(nn.Module):
    """The reparameterisable block: 3×3, twice 1×1, and the input itself, each normed, added up.

    The input takes part where the block keeps its shape.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    stride : int
        Of the block.
    activated : bool
        Whether a ReLU follows.
    epsilon : float
        Of the batch norms.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: int = 1, *, activated: bool = True, epsilon: float
    ) -> None:
        super().__init__()
        self.square = ConvNorm(inputs, outputs, stride, epsilon=epsilon)
        self.point = nn.Sequential(
            ConvNorm(inputs, outputs, stride, kernel=1, bias=True, epsilon=epsilon),
            ConvNorm(outputs, outputs, kernel=1, bias=True, epsilon=epsilon),
        )
        self.same = BatchNorm(inputs, eps=epsilon) if stride == 1 and inputs == outputs else None
        self.act = relu(outputs) if activated else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, H, W)`` to ``(B, outputs, H / stride, W / stride)``, rounded up."""
        summed = self.square(x) + self.point(x)
        if self.same is not None:
            summed = summed + self.same(x)
        out: Tensor = self.act(summed)
        return out

    def merged(self) -> nn.Module:
        """Return one 3×3 convolution, and the ReLU, with the same results in evaluation."""
        (inner, inner_bias), (outer, outer_bias) = (_linear(path) for path in self.point)
        outer = outer.flatten(1)
        point = (outer @ inner.flatten(1))[:, :, None, None], outer @ inner_bias + outer_bias
        paths = [_linear(self.square), point]
        if self.same is not None:
            scale, shift = norm_factors(self.same)
            paths.append((torch.diag(scale)[:, :, None, None], shift))
        conv = with_kernel(self.square.conv, *merge_sum(paths, kernel=3))
        return nn.Sequential(conv, self.act)

    def unmerged(self, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
        """Return tensors for this block that do what a merged kernel does.

        The kernel becomes that of the 3×3 path.  The others are mute, by a factor of 0 at the end,
        and learn again if they are trained.
        """
        inner, outer = self.point
        assert isinstance(inner, ConvNorm)
        assert isinstance(outer, ConvNorm)
        state = {"square.conv.weight": weight, **_norm_state("square.norm", self.square.norm, bias)}
        for name, path in (("point.0", inner), ("point.1", outer)):
            outputs, inputs = path.conv.weight.shape[:2]
            state[f"{name}.conv.weight"] = torch.eye(outputs, inputs)[:, :, None, None]
            state[f"{name}.conv.bias"] = torch.zeros(outputs)
        state |= _norm_state("point.0.norm", inner.norm, torch.zeros(inner.norm.num_features))
        state |= _norm_state("point.1.norm", outer.norm)
        return state if self.same is None else state | _norm_state("same", self.same)


def _norm_state(name: str, norm: nn.BatchNorm2d, shift: Tensor | None = None) -> dict[str, Tensor]:
    """Return tensors of a norm that only adds a shift, or where there is none gives nothing."""
    ones, zeros = torch.ones(norm.num_features), torch.zeros(norm.num_features)
    return {
        f"{name}.weight": zeros if shift is None else ones,
        f"{name}.bias": zeros if shift is None else shift,
        f"{name}.running_mean": zeros,
        # So that dividing by the root of it and epsilon changes nothing.
        f"{name}.running_var": ones - norm.eps,
    }


def _linear(path: nn.Module) -> tuple[Tensor, Tensor]:
    """Return kernel and bias, in float64, of a convolution and its norm."""
    assert isinstance(path, ConvNorm)
    scale, shift = norm_factors(path.norm)
    weight = path.conv.weight.detach().double() * scale[:, None, None, None]
    bias = path.conv.bias
    return weight, shift if bias is None else bias.detach().double() * scale + shift
