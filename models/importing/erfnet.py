"""The layouts of ERFNet: its authors' and that of MMSegmentation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from wsiseg.models.importing.layout import KeyLayout, State
from wsiseg.models.normalisation import IMAGENET, Normalisation
from wsiseg.models.registry import Arguments

_INSIDE: tuple[tuple[str, str], ...] = (
    (r"\.conv3x1_1\.", ".first.vertical."),
    (r"\.conv1x3_1\.", ".first.horizontal."),
    (r"\.bn1\.", ".first.norm."),
    (r"\.conv3x1_2\.", ".second.vertical."),
    (r"\.conv1x3_2\.", ".second.horizontal."),
    (r"\.bn2\.", ".second.norm."),
    (r"\.bn\.", ".norm."),
)

_INSIDE_MMSEG: tuple[tuple[str, str], ...] = (
    (r"\.convs_layers\.0\.", ".first.vertical."),
    (r"\.convs_layers\.2\.", ".first.horizontal."),
    (r"\.convs_layers\.3\.", ".first.norm."),
    (r"\.convs_layers\.5\.", ".second.vertical."),
    (r"\.convs_layers\.7\.", ".second.horizontal."),
    (r"\.convs_layers\.8\.", ".second.norm."),
    (r"\.bn\.", ".norm."),
)


def _rename(key: str, renames: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in renames:
        key = re.sub(pattern, replacement, key)
    return key


class ERFNetLayout(KeyLayout):
    """ERFNet in the names of its authors' PyTorch program.

    Only names and shapes: their code and weights are for non-commercial use and no part of this.
    """

    authors = "ERFNet's authors"
    architectures = ("erfnet",)
    normalisations: ClassVar[Mapping[str, Normalisation]] = {
        "cityscapes": Normalisation(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    }

    def recognises(self, architecture: str, state: State) -> bool:
        """Tell by a key that only this layout has."""
        return "encoder.initial_block.conv.weight" in state

    def read_classes(self, architecture: str, state: State) -> int:
        """Read the width of the last deconvolution."""
        return int(state["decoder.output_conv.weight"].shape[1])

    def read_arguments(self, architecture: str, state: State) -> Arguments:
        """Name the form."""
        return {"form": "authors"}

    def translate(self, architecture: str, state: State) -> dict[str, Tensor]:
        """Rename every tensor to our names."""
        return {self._rename(key): value for key, value in state.items()}

    @staticmethod
    def _rename(key: str) -> str:
        key = key.replace("encoder.output_conv.", "encoder_classifier.")
        key = key.replace("decoder.output_conv.", "classifier.")
        # The authors' first block stands apart from the others.
        key = re.sub(r"^encoder\.layers\.(\d+)\.", lambda m: f"encoder.{int(m[1]) + 1}.", key)
        key = key.replace("encoder.initial_block.", "encoder.0.")
        key = key.replace("decoder.layers.", "decoder.")
        return _rename(key, _INSIDE)


class MMSegERFNetLayout(KeyLayout):
    """ERFNet as MMSegmentation names it (Apache-2.0)."""

    authors = "MMSegmentation"
    architectures = ("erfnet",)
    normalisations: ClassVar[Mapping[str, Normalisation]] = {"cityscapes": IMAGENET}

    def recognises(self, architecture: str, state: State) -> bool:
        """Tell by a key that only this layout has."""
        return "backbone.encoder.2.convs_layers.0.weight" in state

    def read_classes(self, architecture: str, state: State) -> int:
        """Read the width of the classifier."""
        return int(state["decode_head.conv_seg.weight"].shape[0])

    def read_arguments(self, architecture: str, state: State) -> Arguments:
        """Name the form."""
        return {"form": "mmseg"}

    def translate(self, architecture: str, state: State) -> dict[str, Tensor]:
        """Rename every tensor to our names."""
        return {self._rename(key): value for key, value in state.items()}

    @staticmethod
    def _rename(key: str) -> str:
        key = key.replace("decode_head.conv_seg.", "classifier.")
        key = key.replace("decode_head.convs.0.conv.", "head.0.")
        key = key.replace("decode_head.convs.0.bn.", "head.1.")
        return _rename(key.removeprefix("backbone."), _INSIDE_MMSEG)
