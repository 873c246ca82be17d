"""The layouts of ICNet: that of liminn's ICNet-pytorch and that of MMSegmentation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from wsiseg.models.importing.key_renaming import Renames, State
from wsiseg.models.importing.layout import KeyLayout
from wsiseg.models.importing.mmseg import MMSegLayout, class_head
from wsiseg.models.importing.resnet import RESNET, read_backbone
from wsiseg.models.normalisation import IMAGENET, Normalisation
from wsiseg.models.registry import Arguments

# What they count by the sizes of two pictures, we count by that of the larger one's map.
_LIMINN: Renames = (
    (r"^pretrained\.fc\.", "imagenet_classifier."),
    # The last norm of the stem stands beside its convolutions, which are numbered up to 6.
    (r"^pretrained\.bn1\.", "pretrained.conv1.7."),
    (r"^pretrained\.", "encoder.deep.resnet."),
    *RESNET,
    (r"^conv_sub1\.", "encoder.light."),
    (r"^head\.conv_cls\.", "classifier."),
    (r"^head\.cff_12\.conv_low_cls\.", "classifier8."),
    (r"^head\.cff_24\.conv_low_cls\.", "classifier16."),
    (r"^head\.cff_12\.conv_(low|high)\.0\.", r"fuse8.\1.conv."),
    (r"^head\.cff_12\.conv_(low|high)\.1\.", r"fuse8.\1.norm."),
    (r"^head\.cff_24\.conv_(low|high)\.0\.", r"fuse16.\1.conv."),
    (r"^head\.cff_24\.conv_(low|high)\.1\.", r"fuse16.\1.norm."),
    (r"\.bn\.", ".norm."),
)

_MMSEG: Renames = (
    (r"^backbone\.backbone\.", "encoder.deep.resnet."),
    *RESNET,
    (r"^backbone\.psp_modules\.(\d)\.1\.", r"encoder.deep.pool.branches.\1."),
    (r"^backbone\.psp_bottleneck\.", "encoder.deep.merge."),
    (r"^backbone\.conv_sub1\.", "encoder.light."),
    (r"^backbone\.conv_sub2\.", "encoder.deep.project_middle."),
    (r"^backbone\.conv_sub4\.", "encoder.deep.project_low."),
    (r"^neck\.cff_12\.conv_(low|high)\.", r"fuse8.\1."),
    (r"^neck\.cff_24\.conv_(low|high)\.", r"fuse16.\1."),
    *class_head("decode_head", "classifier"),
    *class_head(r"auxiliary_head\.0", "classifier16"),
    *class_head(r"auxiliary_head\.1", "classifier8"),
    (r"\.bn\.", ".norm."),
)

_MERGE = "encoder.deep.merge.conv.weight"


class ICNetLayout(KeyLayout):
    """ICNet as ICNet-pytorch names it (MIT)."""

    authors = "liminn"
    architectures = ("icnet",)
    signature_key = "head.cff_24.conv_low_cls.weight"
    renames = _LIMINN
    normalisations: ClassVar[Mapping[str, Normalisation]] = {"cityscapes": IMAGENET}

    def read_classes(self, architecture: str, state: State) -> int:
        """Read the width of the classifier; see :meth:`KeyLayout.read_classes`."""
        return int(state["head.conv_cls.weight"].shape[0])

    def read_arguments(self, architecture: str, state: State) -> Arguments:
        """Name the form, and tell the residual network by its blocks.

        See :meth:`KeyLayout.read_arguments`.
        """
        return {"form": "authors", "backbone": read_backbone(state, "pretrained.")}


class MMSegICNetLayout(MMSegLayout):
    """ICNet as MMSegmentation names it (Apache-2.0)."""

    architectures = ("icnet",)
    signature_key = "neck.cff_24.conv_low.conv.weight"
    renames = _MMSEG

    def read_arguments(self, architecture: str, state: State) -> Arguments:
        """Name the form, and tell the residual network by its blocks.

        See :meth:`KeyLayout.read_arguments`.
        """
        return {"form": "mmseg", "backbone": read_backbone(state, "backbone.backbone.")}

    def translate(self, architecture: str, state: State) -> dict[str, Tensor]:
        """Rename every tensor, and put the map before its pooled regions, as in PSPNet.

        See :meth:`KeyLayout.translate`.
        """
        renamed = super().translate(architecture, state)
        weight = renamed.get(_MERGE)
        # What is missing or misshapen is found when the network is filled.
        if weight is None or weight.ndim != 4:
            return renamed
        pooled = sum(
            len(value)
            for key, value in renamed.items()
            if re.fullmatch(r"encoder\.deep\.pool\.branches\.\d\.conv\.weight", key)
        )
        return renamed | {_MERGE: weight.roll(-pooled, dims=1)}
