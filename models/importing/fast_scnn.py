"""The layout of Fast-SCNN in MMSegmentation."""

from __future__ import annotations

from wsiseg.models.importing.mmseg import SEPARABLE, MMSegLayout, class_head


class MMSegFastSCNNLayout(MMSegLayout):
    """Fast-SCNN as MMSegmentation names it (Apache-2.0)."""

    architectures = ("fast-scnn",)
    signature_key = "backbone.learning_to_downsample.conv.conv.weight"
    renames = (
        (r"^backbone\.learning_to_downsample\.conv\.", "encoder.downsample.0."),
        (r"^backbone\.learning_to_downsample\.dsconv(\d)\.", r"encoder.downsample.\1."),
        (
            r"^backbone\.global_feature_extractor\.bottleneck(\d)\.(\d)\.conv\.",
            lambda m: f"encoder.bottlenecks.{3 * int(m[1]) - 3 + int(m[2])}.layers.",
        ),
        (r"^backbone\.global_feature_extractor\.ppm\.(\d)\.1\.", r"encoder.pool.branches.\1."),
        (r"^backbone\.global_feature_extractor\.out\.", "encoder.merge."),
        (r"^backbone\.feature_fusion\.dwconv\.", "encoder.fuse.spread."),
        (r"^backbone\.feature_fusion\.conv_lower_res\.", "encoder.fuse.deep."),
        (r"^backbone\.feature_fusion\.conv_higher_res\.", "encoder.fuse.shallow."),
        (r"^decode_head\.convs\.", "head."),
        (r"^decode_head\.conv_seg\.", "head.3."),
        *class_head(r"auxiliary_head\.0", "head_deep"),
        *class_head(r"auxiliary_head\.1", "head_shallow"),
        *SEPARABLE,
        (r"\.bn\.", ".norm."),
    )
