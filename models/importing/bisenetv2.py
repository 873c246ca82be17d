"""The layout of BiSeNetV2 in MMSegmentation."""

from __future__ import annotations

from wsiseg.models.importing.mmseg import SEPARABLE, MMSegLayout, class_head

_DETAIL_STAGES = (0, 2, 5)
"""Where each stage of the detail branch begins in ours."""


class MMSegBiSeNetV2Layout(MMSegLayout):
    """BiSeNetV2 as MMSegmentation names it (Apache-2.0)."""

    architectures = ("bisenetv2",)
    signature_key = "backbone.detail.detail_branch.0.0.conv.weight"
    renames = (
        (
            r"^backbone\.detail\.detail_branch\.(\d)\.(\d)\.",
            lambda m: f"encoder.detail.{_DETAIL_STAGES[int(m[1])] + int(m[2])}.",
        ),
        (r"^backbone\.semantic\.stage1\.conv_first\.", "encoder.stages.0.first."),
        (r"^backbone\.semantic\.stage1\.convs\.", "encoder.stages.0.convolve."),
        (r"^backbone\.semantic\.stage1\.fuse_last\.", "encoder.stages.0.fuse."),
        (r"^backbone\.semantic\.stage4_CEBlock\.gap\.1\.", "encoder.context.norm."),
        (r"^backbone\.semantic\.stage4_CEBlock\.conv_gap\.", "encoder.context.project."),
        (r"^backbone\.semantic\.stage4_CEBlock\.conv_last\.", "encoder.context.last."),
        (r"^backbone\.semantic\.stage([234])\.", lambda m: f"encoder.stages.{int(m[1]) - 1}."),
        (r"\.conv1\.", ".gather."),
        (r"\.dwconv\.", ".expand."),
        (r"\.conv2\.0\.", ".narrow."),
        (r"\.shortcut\.0\.", ".shortcut."),
        (r"^backbone\.bga\.(detail|semantic)_dwconv\.0\.", r"encoder.aggregate.\1."),
        (r"^(encoder\.aggregate\..*\.)pointwise_conv\.conv\.", r"\g<1>1."),
        (r"^backbone\.bga\.detail_down\.", "encoder.aggregate.detail_down."),
        (r"^backbone\.bga\.semantic_conv\.0\.", "encoder.aggregate.semantic_up."),
        (r"^backbone\.bga\.conv\.", "encoder.aggregate.merge."),
        *class_head("decode_head", "head"),
        *class_head(r"auxiliary_head\.(\d)", r"boosters.\1"),
        *SEPARABLE,
        (r"\.bn\.", ".norm."),
    )
