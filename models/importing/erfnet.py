"""The layouts of ERFNet: its authors' and that of MMSegmentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from wsiseg.models.importing.key_renaming import Renames, State
from wsiseg.models.importing.layout import KeyLayout
from wsiseg.models.normalisation import IMAGENET, UNIT, Normalisation
from wsiseg.models.registry import Arguments

_AUTHORS: Renames = (
    (r"^encoder\.output_conv\.", "encoder_classifier."),
    (r"^decoder\.output_conv\.", "classifier."),
    # The authors' first block stands apart from the others.
    (r"^encoder\.layers\.(\d+)\.", lambda m: f"encoder.{int(m[1]) + 1}."),
    (r"^encoder\.initial_block\.", "encoder.0."),
    (r"^decoder\.layers\.", "decoder."),
    # Inside a block.
    (r"\.conv3x1_1\.", ".first.vertical."),
    (r"\.conv1x3_1\.", ".first.horizontal."),
    (r"\.bn1\.", ".first.norm."),
    (r"\.conv3x1_2\.", ".second.vertical."),
    (r"\.conv1x3_2\.", ".second.horizontal."),
    (r"\.bn2\.", ".second.norm."),
    (r"\.bn\.", ".norm."),
)

_MMSEG: Renames = (
    (r"^decode_head\.conv_seg\.", "classifier."),
    (r"^decode_head\.convs\.0\.conv\.", "head.0."),
    (r"^decode_head\.convs\.0\.bn\.", "head.1."),
    (r"^backbone\.", ""),
    # Inside a block.
    (r"\.convs_layers\.0\.", ".first.vertical."),
    (r"\.convs_layers\.2\.", ".first.horizontal."),
    (r"\.convs_layers\.3\.", ".first.norm."),
    (r"\.convs_layers\.5\.", ".second.vertical."),
    (r"\.convs_layers\.7\.", ".second.horizontal."),
    (r"\.convs_layers\.8\.", ".second.norm."),
    (r"\.bn\.", ".norm."),
)


class ERFNetLayout(KeyLayout):
    """ERFNet in the names of its authors' PyTorch program.

    Only names and shapes: their code and weights are for non-commercial use and no part of this.
    """

    authors = "ERFNet's authors"
    architectures = ("erfnet",)
    renames = _AUTHORS
    signature_key = "encoder.initial_block.conv.weight"
    normalisations: ClassVar[Mapping[str, Normalisation]] = {"cityscapes": UNIT}

    def read_classes(self, architecture: str, state: State) -> int:
        """Read the width of the last deconvolution; see :meth:`KeyLayout.read_classes`."""
        return int(state["decoder.output_conv.weight"].shape[1])

    def read_arguments(self, architecture: str, state: State) -> Arguments:
        """Name the form; see :meth:`KeyLayout.read_arguments`."""
        return {"form": "authors"}


class MMSegERFNetLayout(KeyLayout):
    """ERFNet as MMSegmentation names it (Apache-2.0)."""

    authors = "MMSegmentation"
    architectures = ("erfnet",)
    renames = _MMSEG
    signature_key = "backbone.encoder.2.convs_layers.0.weight"
    normalisations: ClassVar[Mapping[str, Normalisation]] = {"cityscapes": IMAGENET}

    def read_classes(self, architecture: str, state: State) -> int:
        """Read the width of the classifier; see :meth:`KeyLayout.read_classes`."""
        return int(state["decode_head.conv_seg.weight"].shape[0])

    def read_arguments(self, architecture: str, state: State) -> Arguments:
        """Name the form; see :meth:`KeyLayout.read_arguments`."""
        return {"form": "mmseg"}
