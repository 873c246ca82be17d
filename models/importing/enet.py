"""The layout of davidtvs' ENet: ``dilated2_2.ext_conv2.0.weight`` and the like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from wsiseg.models.importing.key_renaming import Renames, State, renamed
from wsiseg.models.importing.layout import KeyLayout
from wsiseg.models.normalisation import UNIT, Normalisation
from wsiseg.models.registry import Arguments

_RENAMES: Renames = (
    (r"\.(out_activation|out_prelu)\.", ".act."),
    (r"^initial_block\.main_branch\.", "encoder.initial.conv."),
    (r"^initial_block\.batch_norm\.", "encoder.initial.norm."),
    (r"^initial_block\.", "encoder.initial."),
    (r"^downsample([12])_0\.", r"encoder.down\1."),
    (r"^upsample([45])_0\.main_conv1\.", r"up\1.project."),
    (r"^upsample([45])_0\.ext_conv1\.", r"up\1.reduce."),
    # The older form numbers the parts of the upsampling like those of every other block.
    (r"^upsample([45])_0\.ext_conv3\.", r"up\1.expand."),
    (r"^upsample([45])_0\.ext_tconv1\.", r"up\1.up.0."),
    (r"^upsample([45])_0\.ext_tconv1_bnorm\.", r"up\1.up.1."),
    (r"^upsample([45])_0\.", r"up\1."),
    (r"^transposed_conv\.", "classifier."),
    (r"^(encoder\..*|stage.*)\.ext_conv1\.", r"\1.reduce."),
    (r"^(encoder\..*|stage.*)\.ext_conv2\.", r"\1.convolve."),
    (r"^(encoder\..*|stage.*)\.ext_conv3\.", r"\1.expand."),
)


class ENetLayout(KeyLayout):
    """ENet of davidtvs (MIT), in its present and its older form."""

    authors = "davidtvs"
    architectures = ("enet",)
    signature_key = "initial_block.main_branch.weight"
    normalisations: ClassVar[Mapping[str, Normalisation]] = {"cityscapes": UNIT, "camvid": UNIT}

    def read_classes(self, architecture: str, state: State) -> int:
        """Read the width of the last deconvolution; see :meth:`KeyLayout.read_classes`."""
        return int(state["transposed_conv.weight"].shape[1])

    def read_arguments(self, architecture: str, state: State) -> Arguments:
        """Tell the form by the name of the last activations.

        See :meth:`KeyLayout.read_arguments`.
        """
        return {"form": "camvid" if "initial_block.out_prelu.weight" in state else "current"}

    def translate(self, architecture: str, state: State) -> dict[str, Tensor]:
        """Rename every tensor to our names; see :meth:`KeyLayout.translate`."""
        older = self.read_arguments(architecture, state)["form"] == "camvid"
        return {self._rename(key, older): value for key, value in state.items()}

    @staticmethod
    def _rename(key: str, older: bool) -> str:
        upsampled = "up" if older else "expand"
        key = re.sub(r"^upsample([45])_0\.ext_conv2\.", rf"up\1.{upsampled}.", key)
        key = re.sub(r"^[a-z]+5_1\.", "stage5.", key)
        key = re.sub(
            r"^[a-z]+([1-4])_(\d+)\.(?=ext_conv|out_)",
            lambda m: _bottleneck(int(m[1]), int(m[2])) or m[0],
            key,
        )
        return renamed(key, _RENAMES)


def _bottleneck(stage: int, number: int) -> str | None:
    """Return our name of a bottleneck; number 0 is a block that changes the size.

    Stages 1, 2 and 4 begin with such a block; stage 3 has none and counts its own from 0.
    """
    if stage == 3:
        return f"encoder.stage3.{number}."
    if number == 0:
        return None
    return f"{'' if stage == 4 else 'encoder.'}stage{stage}.{number - 1}."
