"""The layout of the first ESPNet's authors: ``encoder.level2.0.d16.conv.weight`` and the like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from wsiseg.models.importing.key_renaming import Renames, State, count_numbered, renamed
from wsiseg.models.importing.layout import KeyLayout
from wsiseg.models.normalisation import Normalisation
from wsiseg.models.registry import Arguments

_RENAMES: Renames = (
    # Blocks.
    (r"^encoder\.b([123])\.", r"encoder.fuse\1."),
    (r"^encoder\.level([23])_0\.(bn|act)\.", r"encoder.down\1.fuse.\2."),
    (r"^encoder\.level([23])_0\.", r"encoder.down\1."),
    (r"^encoder\.classifier\.conv\.", "project3."),
    (r"^br\.", "norm3."),
    (r"^level3_C\.conv\.", "project2."),
    (r"^up_l3\.0\.", "up3."),
    (r"^combine_l2_l3\.", "merge2."),
    (r"^up_l2\.0\.", "up2."),
    (r"^up_l2\.1\.", "fuse2."),
    (r"^conv\.", "merge1."),
    (r"^classifier\.weight$", "up1.weight"),
    # Inside an ESP module, and batch norm everywhere.
    (r"\.c1\.conv\.", ".reduce."),
    (r"\.d(\d+)\.conv\.", lambda m: f".branches.{int(m[1]).bit_length() - 1}."),
    (r"\.bn\.(bn|act)\.", r".fuse.\1."),
    (r"\.bn\.", ".norm."),
)


class ESPNetLayout(KeyLayout):
    """ESPNet and ESPNet-C as their authors published them (MIT)."""

    authors = "ESPNet's authors"
    architectures = ("espnet", "espnet-c")
    normalisations: ClassVar[Mapping[str, Normalisation]] = {
        "cityscapes": Normalisation(
            order="BGR",
            mean=(72.3923111, 82.90893555, 73.15840149),
            std=(45.3192215, 46.15289307, 44.91483307),
            divide_first=1.0,
            divide_last=255.0,
        ),
        "camvid": Normalisation(
            order="BGR",
            mean=(110.33134258, 108.40914603, 105.03352311),
            std=(72.12519708, 72.68854342, 69.90261427),
            divide_first=1.0,
            divide_last=255.0,
        ),
    }

    def matches(self, architecture: str, state: State) -> bool:
        """Tell by a key that only this layout has; see :meth:`KeyLayout.matches`."""
        prefix = "encoder." if architecture == "espnet" else ""
        return f"{prefix}level2_0.d16.conv.weight" in state

    def read_classes(self, architecture: str, state: State) -> int:
        """Read the width of the last classifier; see :meth:`KeyLayout.read_classes`."""
        if architecture == "espnet":
            return int(state["classifier.weight"].shape[1])
        return int(state["classifier.conv.weight"].shape[0])

    def read_arguments(self, architecture: str, state: State) -> Arguments:
        """Count the ESP modules; tell the skip's form by the channels of its convolution.

        See :meth:`KeyLayout.read_arguments`.
        """
        prefix = "encoder." if architecture == "espnet" else ""
        arguments: Arguments = {
            f"alpha{level}": count_numbered(state, f"{prefix}level{level}.") for level in (2, 3)
        }
        if architecture == "espnet":
            outputs, inputs = state["conv.conv.weight"].shape[:2]
            arguments["skip"] = "test" if inputs - outputs == 16 else "train"
        return arguments

    def translate(self, architecture: str, state: State) -> dict[str, Tensor]:
        """Rename every tensor to our names; see :meth:`KeyLayout.translate`."""
        return {self._rename(architecture, key): value for key, value in state.items()}

    @staticmethod
    def _rename(architecture: str, key: str) -> str:
        if architecture == "espnet-c":
            if key.startswith("classifier.conv."):
                return key.replace(".conv.", ".")
            key = f"encoder.{key}"
        return renamed(key, _RENAMES)
