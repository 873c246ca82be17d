"""BiSeNetV2 (Yu et al., IJCV 2021)."""

from __future__ import annotations

from torch import Tensor, nn

from wsiseg.models.layers.bisenetv2 import ContextEmbedding, GatherExpand, GuidedAggregation, Stem
from wsiseg.models.layers.class_head import ClassHead
from wsiseg.models.layers.plain import conv_norm_relu
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register

PAPER = (
    "Yu et al., BiSeNet V2: Bilateral Network with Guided Aggregation for Real-time Semantic "
    "Segmentation, IJCV 2021"
)

HEADS = ((16, 16, 4), (32, 64, 8), (64, 256, 16), (128, 1024, 32))
"""Channels, width and stride of the auxiliary heads, from the stem to the last stage."""


def _detail_branch() -> nn.Sequential:
    """Return the wide and shallow branch: 128 channels at 1/8 (table 1)."""
    return nn.Sequential(
        *[conv_norm_relu(3, 64, 2), conv_norm_relu(64, 64)],
        *[conv_norm_relu(64, 64, 2), conv_norm_relu(64, 64), conv_norm_relu(64, 64)],
        *[conv_norm_relu(64, 128, 2), conv_norm_relu(128, 128), conv_norm_relu(128, 128)],
    )


class _Encoder(nn.Module):
    """Both branches and what joins them: 128 channels at 1/8."""

    def __init__(self) -> None:
        super().__init__()
        self.detail = _detail_branch()
        self.stages = nn.ModuleList(
            [
                Stem(3, 16),
                nn.Sequential(GatherExpand(16, 32, 2), GatherExpand(32, 32)),
                nn.Sequential(GatherExpand(32, 64, 2), GatherExpand(64, 64)),
                nn.Sequential(
                    GatherExpand(64, 128, 2), *[GatherExpand(128, 128) for _ in range(3)]
                ),
            ]
        )
        self.context = ContextEmbedding(128)
        self.aggregate = GuidedAggregation(128)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return what both branches found, and the four stages of the semantic one."""
        semantic, stages = x, []
        for stage in self.stages:
            semantic = stage(semantic)
            stages.append(semantic)
        return self.aggregate(self.detail(x), self.context(semantic)), stages


@register("bisenetv2", family="BiSeNet", paper=PAPER)
class BiSeNetV2(SegmentationNetwork):
    """BiSeNetV2: a wide branch for detail, a deep one for meaning, logits at 1/8.

    As MMSegmentation has it: the last convolution of the context embedding is followed by batch
    norm and ReLU (figure 4b has a bare one), and the head is 1024 channels wide.  Four auxiliary
    heads train the semantic branch (the booster of section 4.4), with the weight 1 each.  The
    context embedding averages over the whole picture, so a tile's logits depend on all of the
    tile, and sizes that are no multiple of 32 count the zeros that they are padded with.

    Parameters
    ----------
    classes : int
        1 to 255.
    """

    input_multiple = 32
    output_stride = 8
    auxiliary = ("boosters",)
    auxiliary_weight = 1.0

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.encoder = _Encoder()
        self.head = ClassHead(128, 1024, classes)
        self.boosters = nn.ModuleList(
            ClassHead(channels, width, classes, convs=2) for channels, width, _ in HEADS
        )

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 8, W / 8)``."""
        logits: Tensor = self.head(self.encoder(x)[0])
        return logits

    def supervised(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits, then those of the semantic branch at 1/4, 1/8, 1/16 and 1/32."""
        padded = self._pad(x)
        features, stages = self.encoder(padded)
        return (
            self._enlarge(self.head(features), padded, x),
            *(
                self._crop(booster(stage), x, stride)
                for booster, stage, (*_, stride) in zip(self.boosters, stages, HEADS, strict=True)
            ),
        )
