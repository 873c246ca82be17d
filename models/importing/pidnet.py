"""The layout of PIDNet in MMSegmentation: ``backbone.p_branch_layers.…``, ``decode_head.…``."""

from __future__ import annotations

from wsiseg.models.importing.ddrnet import BLOCKS, PYRAMID, STEM, DualResolutionLayout
from wsiseg.models.importing.key_renaming import Renames

_HEADS: Renames = (
    (r"^decode_head\.conv_seg\.", "head.classifier."),
    (r"^decode_head\.i_head\.", "head."),
    (r"^decode_head\.p_cls_seg\.", "auxiliary_head.classifier."),
    (r"^decode_head\.p_head\.", "auxiliary_head."),
    (r"^decode_head\.d_cls_seg\.", "boundary_head.classifier."),
    (r"^decode_head\.d_head\.", "boundary_head."),
    (r"^((?:auxiliary_|boundary_)?head)\.conv\.", r"\1.features."),
)

_BRANCHES: Renames = (
    (r"^backbone\.p_branch_layers\.", "encoder.detail."),
    (r"^backbone\.i_branch_layers\.", "encoder.context."),
    (r"^backbone\.d_branch_layers\.", "encoder.boundary."),
    # A boundary stage of a single basic block is no list.
    (r"^(encoder\.boundary\.\d)\.(?=conv|downsample)", r"\1.0."),
    (r"^backbone\.compression_(\d)\.", lambda m: f"encoder.compress.{int(m[1]) - 1}."),
    (r"^backbone\.diff_(\d)\.", lambda m: f"encoder.differ.{int(m[1]) - 1}."),
    (r"^backbone\.pag_(\d)\.", lambda m: f"encoder.attend.{int(m[1]) - 1}."),
    (r"^backbone\.dfm\.conv\.", "encoder.fusion.merge.conv."),
    (r"^backbone\.dfm\.bn\.", "encoder.fusion.merge.norm."),
    (r"^backbone\.dfm\.", "encoder.fusion."),
    (r"^backbone\.spp\.", "encoder.pyramid."),
    (r"\.f_p\.", ".detail."),
    (r"\.f_i\.", ".context."),
    (r"^backbone\.", "encoder."),
)


class PIDNetLayout(DualResolutionLayout):
    """PIDNet as MMSegmentation names it (Apache-2.0)."""

    architectures = ("pidnet-s", "pidnet-m", "pidnet-l")
    signature_key = "backbone.pag_1.f_i.conv.weight"
    renames = (*_HEADS, STEM, *_BRANCHES, *PYRAMID, *BLOCKS, (r"\.bn\.", ".norm."))
