"""The layout of STDC-Seg in MMSegmentation."""

from __future__ import annotations

from torch import Tensor

from wsiseg.models.importing.key_renaming import State
from wsiseg.models.importing.mmseg import MMSegLayout, class_head

_LAPLACIAN = "auxiliary_head.2.laplacian_kernel"
"""A constant that draws boundaries out of labels; no tensor of the network here."""


class MMSegSTDCLayout(MMSegLayout):
    """STDC1-Seg and STDC2-Seg as MMSegmentation names them (Apache-2.0)."""

    architectures = ("stdc1", "stdc2")
    signature_key = "backbone.backbone.stages.0.conv.weight"
    renames = (
        (r"^backbone\.backbone\.stages\.([01])\.(conv|bn)\.", r"encoder.backbone.stem.\1.\2."),
        (
            r"^backbone\.backbone\.stages\.([234])\.",
            lambda m: f"encoder.backbone.stages.{int(m[1]) - 2}.",
        ),
        (r"\.layers\.0\.", ".first."),
        (r"\.layers\.([123])\.", lambda m: f".rest.{int(m[1]) - 1}."),
        (r"\.downsample\.", ".down."),
        (r"^backbone\.arms\.0\.", "encoder.context.refine32."),
        (r"^backbone\.arms\.1\.", "encoder.context.refine16."),
        (r"\.conv_layer\.", ".convolve."),
        (r"\.atten_conv_layer\.1\.", ".weigh."),
        (r"^backbone\.convs\.0\.", "encoder.context.up32."),
        (r"^backbone\.convs\.1\.", "encoder.context.up16."),
        (r"^backbone\.conv_avg\.", "encoder.context.average."),
        (r"^backbone\.ffm\.conv0\.", "encoder.fuse.join."),
        (r"^backbone\.ffm\.attention\.1\.conv\.", "encoder.fuse.squeeze."),
        (r"^backbone\.ffm\.attention\.2\.conv\.", "encoder.fuse.excite."),
        *class_head("decode_head", "head"),
        *class_head(r"auxiliary_head\.0", "head8"),
        *class_head(r"auxiliary_head\.1", "head16"),
        *class_head(r"auxiliary_head\.2", "head_detail"),
        (r"^auxiliary_head\.2\.fusion_kernel$", "head_detail.weights"),
        (r"\.bn\.", ".norm."),
    )

    def translate(self, architecture: str, state: State) -> dict[str, Tensor]:
        """Rename every tensor to our names and leave out the constant.

        See :meth:`KeyLayout.translate`.
        """
        learnt = {key: value for key, value in state.items() if key != _LAPLACIAN}
        return super().translate(architecture, learnt)
