"""The layouts of RDRNet's authors and of MMSegmentation's DDRNet, whose parts are the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from wsiseg.models.importing.key_renaming import Renames, State
from wsiseg.models.importing.mmseg import MMSegLayout
from wsiseg.models.networks.rdrnet import ParallelConvolutions, Reparameterisable
from wsiseg.models.normalisation import IMAGENET, Normalisation
from wsiseg.models.registry import create_model

PYRAMID: Renames = (
    # The first scale pools nothing, and so stands alone.
    (r"\.scales\.0\.", ".scales.0.1."),
    (r"\.compression\.", ".compress."),
    (r"\.processes\.(?=conv|bn)", ".process."),
)
"""Inside a context module; convolutions with their norm in front are left as they are."""

BLOCKS: Renames = (
    (r"\.conv(\d)\.(?=conv|bn)", lambda m: f".branch.{int(m[1]) - 1}."),
    (r"\.downsample\.(?:0|conv)\.", ".shortcut.conv."),
    (r"\.downsample\.(?:1|bn)\.", ".shortcut.norm."),
)
"""Inside a residual block."""

STEM = (r"^backbone\.stem\.4\.", "encoder.stem.3.")
"""Between the stem's two stages of blocks stands a ReLU, which ours have inside."""

_HEADS: Renames = (
    (r"^decode_head\.aux_head\.", "auxiliary_head.head."),
    (r"^decode_head\.aux_cls_seg\.", "auxiliary_head.classifier."),
    (r"^decode_head\.conv_seg\.", "head.classifier."),
    (r"^decode_head\.", ""),
    (r"^((?:auxiliary_)?head)\.(?:head\.)?0\.", r"\1.features."),
    (r"^((?:auxiliary_)?head)\.(?:head\.)?1\.", r"\1.norm."),
)

_BRANCHES: Renames = (
    (r"^backbone\.(?:context|semantic)_branch_layers\.(\d)\.", lambda m: _stage("semantic", m)),
    (r"^backbone\.(?:spatial|detail)_branch_layers\.(\d)\.", lambda m: _stage("detail", m)),
    (r"^backbone\.compression_(\d)\.", lambda m: f"{_stage('fusion', m, 3)}compress."),
    # The way down is one convolution after the first stage, and two after the second.
    (r"^backbone\.down_1\.", "encoder.fusion4.down.0."),
    (r"^backbone\.down_2\.", "encoder.fusion5.down."),
    (r"^backbone\.spp\.", "encoder.context."),
    (r"^backbone\.", "encoder."),
)


def _stage(branch: str, match: re.Match[str], first: int = 4) -> str:
    return f"encoder.{branch}{int(match[1]) + first}."


class DualResolutionLayout(MMSegLayout):
    """Networks whose authors went on from Cityscapes to other data sets."""

    normalisations: ClassVar[Mapping[str, Normalisation]] = {
        "cityscapes": IMAGENET,
        "camvid": IMAGENET,
        "voc": IMAGENET,
    }


class RDRNetLayout(DualResolutionLayout):
    """RDRNet as its authors' fork of MMSegmentation names it (Apache-2.0).

    Its training form, and the one that their ``switch_to_deploy`` makes of that.  The latter has
    merged kernels only; they become the 3×3 paths of the training form and all others are mute, so
    that the results are the same and the network can be trained on.
    """

    authors = "RDRNet's authors"
    architectures = ("rdrnet-s-simple", "rdrnet-s", "rdrnet-m", "rdrnet-l")
    signature_key = "backbone.stem.0.path_3x3.conv.weight"
    renames = (
        # The last semantic stage is a list inside a list.
        (r"^(backbone\.semantic_branch_layers\.2)\.0\.(?=\d\.)", r"\1."),
        *_HEADS,
        *_BRANCHES,
        *PYRAMID,
        (r"\.processes\.norm\.", ".process.0."),
        (r"\.processes\.parallel1\.", ".process.2.first."),
        (r"\.processes\.parallel2\.", ".process.2.second."),
        *BLOCKS,
        (r"\.path_3x3\.", ".square."),
        (r"\.path_1x1\.branch\.", ".point."),
        (r"\.path_residual\.", ".same."),
        (r"\.processes\.reparam_parallel\.", ".process.2.merged."),
        (r"\.reparam_3x3\.", ".merged."),
        (r"\.bn\.", ".norm."),
    )

    def matches(self, architecture: str, state: State) -> bool:
        """Tell by the first block, in either form; see :meth:`KeyLayout.matches`."""
        return self.signature_key in state or "backbone.stem.0.reparam_3x3.weight" in state

    def translate(self, architecture: str, state: State) -> dict[str, Tensor]:
        """Rename every tensor to our names, and give merged kernels their paths back.

        See :meth:`KeyLayout.translate`.
        """
        tensors = super().translate(architecture, state)
        if not any(key.endswith(".merged.weight") for key in tensors):
            return tensors
        with torch.device("meta"):
            network = create_model(architecture, self.read_classes(architecture, state))
        for name, block in network.named_modules():
            parts = [f"{name}.merged.{part}" for part in ("weight", "bias")]
            # What is missing, or too much, is found when the network is filled.
            if isinstance(block, (Reparameterisable, ParallelConvolutions)) and all(
                part in tensors for part in parts
            ):
                kernel = block.unmerged(*(tensors.pop(part) for part in parts))
                tensors |= {f"{name}.{key}": value for key, value in kernel.items()}
        return tensors


class DDRNetLayout(DualResolutionLayout):
    """DDRNet as MMSegmentation names it (Apache-2.0)."""

    architectures = ("ddrnet23-slim", "ddrnet23")
    signature_key = "backbone.context_branch_layers.0.0.conv1.conv.weight"
    renames = (*_HEADS, STEM, *_BRANCHES, *PYRAMID, *BLOCKS, (r"\.bn\.", ".norm."))
