"""RDRNet in its four sizes (Yang et al., 2024)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from wsiseg.models.layers.convolutions import LARGE_EPSILON, BatchNorm, ConvNorm, relu
from wsiseg.models.layers.dappm import DAPPM
from wsiseg.models.layers.dual_resolution import DualResolution, Fusion, bottlenecks
from wsiseg.models.layers.pappm import PAPPM
from wsiseg.models.layers.ppm import PPM
from wsiseg.models.merging import merge_sum, norm_factors, with_kernel
from wsiseg.models.networks.dual_resolution_network import DualResolutionNetwork
from wsiseg.models.registry import register

PAPER = (
    "Yang et al., Reparameterizable Dual-Resolution Network for Real-time Semantic Segmentation, "
    "2024"
)

MOMENTUM = 0.03
"""Share of a batch in the running statistics, of everything but the heads."""

PYRAMID = 128
"""Channels of each scale of the context module, whatever the size of the network."""

Depths = tuple[int, int, int, int, int]


class ParallelConvolutions(nn.Module):
    """Two 3×3 convolutions of the same input, each normed, added up (RPPM, section 3.3).

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
        """Return a state dict of this layer that is equivalent to a merged kernel.

        The second path gives zero.

        Parameters
        ----------
        weight : Tensor
            ``(channels, channels / groups, 3, 3)``.
        bias : Tensor
            ``(channels,)``.
        """
        return {
            "first.conv.weight": weight,
            **_norm_state("first.norm", self.first.norm, bias),
            "second.conv.weight": weight,
            **_norm_state("second.norm", self.second.norm),
        }


class Reparameterisable(nn.Module):
    """The block RB (section 3.2): 3×3, twice 1×1, and the input itself, each normed, added up.

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
        """Return a state dict of this block that is equivalent to a merged kernel.

        The kernel becomes that of the 3×3 path.  The other paths give zero, by a last factor of 0,
        and learn again if they are trained.

        Parameters
        ----------
        weight : Tensor
            ``(outputs, inputs, 3, 3)``.
        bias : Tensor
            ``(outputs,)``.
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
    """Return the state of a norm that only adds `shift`; of one that gives zero without it."""
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


class RPPM(PAPPM):
    """The reparameterisable pyramid: PAPPM with two convolutions that become one (section 3.3).

    Parameters
    ----------
    inputs, width, outputs : int
        Channels in, of each scale, and out: ``(B, inputs, H, W)`` to ``(B, outputs, H, W)``.
    epsilon : float
        Of the batch norms.
    """

    @staticmethod
    def _make_process(width: int, groups: int, epsilon: float) -> nn.Module:
        channels = width * groups
        return nn.Sequential(
            BatchNorm(channels, eps=epsilon),
            relu(channels),
            ParallelConvolutions(channels, groups, epsilon),
        )


class ProjectedPPM(nn.Sequential):
    """PSPNet's pyramid and a 1×1 convolution: ``(B, inputs, H, W)`` to ``(B, outputs, H, W)``.

    Parameters
    ----------
    inputs, width, outputs : int
        Channels in, of each grid, and out.
    epsilon : float
        Of the batch norms.
    """

    def __init__(self, inputs: int, width: int, outputs: int, epsilon: float) -> None:
        pyramid = PPM(inputs, width, epsilon=epsilon)
        joined = inputs + len(pyramid.grids) * width
        super().__init__(pyramid, ConvNorm(joined, outputs, kernel=1, epsilon=epsilon))


CONTEXTS = {"rppm": RPPM, "ppm": ProjectedPPM, "dappm": DAPPM, "pappm": PAPPM}


def _blocks(inputs: int, outputs: int, stride: int, more: int, *, activated: bool) -> nn.Sequential:
    """Return one block that changes the shape, if any does, and more that keep it."""
    shapes = [(outputs, outputs, 1)] * more
    if stride > 1:
        shapes.insert(0, (inputs, outputs, stride))
    *others, last = shapes
    return nn.Sequential(
        *[Reparameterisable(*shape, epsilon=LARGE_EPSILON) for shape in others],
        Reparameterisable(*last, activated=activated, epsilon=LARGE_EPSILON),
    )


def _encoder(width: int, depths: Depths, context: str, fusion: Fusion) -> DualResolution:
    quarter, eighth, semantic, detail, last = depths
    w = width
    stem = nn.Sequential(
        Reparameterisable(3, w, 2, epsilon=LARGE_EPSILON),
        Reparameterisable(w, w, 2, epsilon=LARGE_EPSILON),
        *_blocks(w, w, 1, quarter, activated=True),
        *_blocks(w, 2 * w, 2, eighth, activated=True),
    )
    encoder = DualResolution(
        w,
        stem,
        detail=(
            _blocks(2 * w, 2 * w, 1, detail, activated=False),
            _blocks(2 * w, 2 * w, 1, detail, activated=False),
            bottlenecks(2 * w, 2 * w, 1, last, epsilon=LARGE_EPSILON),
        ),
        semantic=(
            _blocks(2 * w, 4 * w, 2, semantic, activated=False),
            _blocks(4 * w, 8 * w, 2, semantic, activated=False),
            bottlenecks(8 * w, 8 * w, 2, last, epsilon=LARGE_EPSILON),
        ),
        context=(
            ConvNorm(16 * w, 4 * w, kernel=1, epsilon=LARGE_EPSILON)
            if context == "none"
            else CONTEXTS[context](16 * w, PYRAMID, 4 * w, LARGE_EPSILON)
        ),
        fusion=fusion,
        epsilon=LARGE_EPSILON,
    )
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = MOMENTUM
    return encoder


class RDRNet(DualResolutionNetwork):
    """RDRNet: a detail branch at 1/8 beside a semantic one to 1/64, of blocks that fold.

    In training a block has up to three paths (section 3.2) and the context module two parallel
    convolutions (section 3.3); :func:`wsiseg.models.folding.merge_paths` makes one convolution of
    each, without changing a label.  An auxiliary head learns from the detail branch after the
    first fusion (section 3.4); inference goes without.

    Parameters
    ----------
    classes : int
        1 to 255.
    context : {"rppm", "ppm", "dappm", "pappm", "none"}
        What looks at the wider surroundings (paper, figure 8).  All but the first are for
        comparison: pyramid pooling has 128 channels per grid, and of ``none`` a 1×1 convolution is
        left, both of which the paper does not say.
    fusion : {"both", "first", "second", "none"}
        After which of the two common stages the branches inform each other (paper, figure 8).
    """

    depths: ClassVar[Depths]
    """Blocks that keep the shape, at 1/4, at 1/8, in a semantic and a detail stage; bottlenecks."""

    def __init__(
        self,
        classes: int,
        *,
        context: Literal["rppm", "ppm", "dappm", "pappm", "none"] = "rppm",
        fusion: Literal["both", "first", "second", "none"] = "both",
    ) -> None:
        super().__init__(classes, _encoder(self.width, self.depths, context, fusion))


@register("rdrnet-s-simple", family="RDRNet", paper=PAPER)
class RDRNetSSimple(RDRNet):
    """The fastest RDRNet."""

    width = 32
    head_width = 64
    depths = (4, 3, 5, 4, 1)


@register("rdrnet-s", family="RDRNet", paper=PAPER)
class RDRNetS(RDRNet):
    """The small RDRNet: its head is twice as wide."""

    width = 32
    head_width = 128
    depths = (4, 3, 5, 4, 1)


@register("rdrnet-m", family="RDRNet", paper=PAPER)
class RDRNetM(RDRNet):
    """The medium RDRNet: twice as wide throughout."""

    width = 64
    head_width = 128
    depths = (4, 3, 5, 4, 1)


@register("rdrnet-l", family="RDRNet", paper=PAPER)
class RDRNetL(RDRNet):
    """The large RDRNet: deeper, with a wider head."""

    width = 64
    head_width = 256
    depths = (6, 5, 7, 6, 2)
