"""The layout of BiSeNetV1 in MMSegmentation."""

from __future__ import annotations

from wsiseg.models.importing.mmseg import MMSegLayout, class_head
from wsiseg.models.importing.resnet import RESNET


class MMSegBiSeNetV1Layout(MMSegLayout):
    """BiSeNetV1 as MMSegmentation names it (Apache-2.0)."""

    architectures = ("bisenetv1",)
    signature_key = "backbone.context_path.gap_conv.1.conv.weight"
    renames = (
        (r"^backbone\.context_path\.backbone\.", "encoder.resnet."),
        *RESNET,
        (r"^backbone\.spatial_path\.layer(\d)\.", lambda m: f"encoder.spatial.{int(m[1]) - 1}."),
        (r"^backbone\.context_path\.gap_conv\.1\.", "encoder.context.average."),
        (r"^backbone\.context_path\.arm(16|32)\.", r"encoder.context.refine\1."),
        (r"^backbone\.context_path\.conv_head(16|32)\.", r"encoder.context.up\1."),
        (r"\.conv_layer\.", ".convolve."),
        (r"\.atten_conv_layer\.1\.", ".weigh."),
        (r"^backbone\.ffm\.conv1\.", "encoder.fuse.join."),
        (r"^backbone\.ffm\.conv_atten\.0\.", "encoder.fuse.weigh."),
        *class_head("decode_head", "head"),
        *class_head(r"auxiliary_head\.0", "head8"),
        *class_head(r"auxiliary_head\.1", "head16"),
        (r"\.bn\.", ".norm."),
    )
