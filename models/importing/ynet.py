"""The layouts of Y-Net's authors: ``level2_0.d8.conv.weight``, and the same after ``segNet.``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from wsiseg.models.importing.key_renaming import Renames, State, renamed
from wsiseg.models.importing.layout import KeyLayout
from wsiseg.models.normalisation import UNIT, Normalisation
from wsiseg.models.registry import Arguments

_JOINT = "segNet."
"""What the joint network puts in front of the segmentation network's keys."""


def _sequence(ours: str) -> tuple[str, ...]:
    """Return our names of a sequence that repeats convolution, batch norm and activation."""
    return tuple(f"{ours}.{place}.{part}" for place in range(3) for part in ("conv", "norm", "act"))


_SEQUENCES = {
    "classifier": _sequence("decoder.merge3"),
    "class_1": _sequence("decoder.merge2"),
    "class_0": (
        "decoder.merge1.conv",
        "decoder.merge1.norm",
        "decoder.merge1.act",
        "decoder.classifier",
    ),
}


def _in_sequence(match: re.Match[str]) -> str:
    return f"{_SEQUENCES[match[1]][int(match[2])]}."


_SEGMENTATION: Renames = (
    (r"^(classifier|class_[01])\.(\d)\.", _in_sequence),
    (r"^level1\.", "encoder.level1."),
    (r"^level2\.conv\.", "encoder.level2.down."),
    (r"^level2_(\d)\.", r"encoder.level2.units.\1."),
    (r"^br_2\.", "encoder.level2.fuse."),
    # Their levels 3 and 4 are one, at 1/8.
    (r"^level3_0\.conv\.", "encoder.level3.down."),
    (r"^level3_(\d)\.", lambda m: f"encoder.level3.units.{int(m[1]) - 1}."),
    (r"^level4_(\d)\.", lambda m: f"encoder.level3.units.{int(m[1]) + 1}."),
    (r"^br_4\.", "encoder.level3.fuse."),
    (r"^p0(\d)\.", lambda m: f"decoder.pyramid1.branches.{int(m[1]) - 1}."),
    (r"^p(\d)0\.", lambda m: f"decoder.pyramid2.branches.{int(m[1]) - 1}."),
    (r"^p(\d)\.", lambda m: f"decoder.pyramid3.branches.{int(m[1]) - 1}."),
    (r"\.features\.1\.", ".conv."),
    (r"\.features\.2\.", ".norm."),
)

_DIAGNOSIS: Renames = (
    (r"^level([45])_0\.conv\.", r"diagnosis.level\1.down."),
    (r"^level([45])_(\d)\.", lambda m: f"diagnosis.level{m[1]}.units.{int(m[2]) - 1}."),
    (r"^br_con_([45])\.", r"diagnosis.level\1.fuse."),
    (r"^fc1\.", "diagnosis.reduce."),
    (r"^fc2\.", "diagnosis.classifier."),
)

_UNITS: Mapping[str, Renames] = {
    "C1": (
        (r"\.c1\.conv\.", ".reduce."),
        (r"\.d([1248])\.conv\.", lambda m: f".branches.{(1, 2, 4, 8).index(int(m[1]))}."),
        (r"\.d16\.conv\.", ".spare."),
        (r"(\.units\.\d)\.bn\.", r"\1.fuse.norm."),
        (r"\.bn\.", ".norm."),
    ),
    "D1": ((r"\.c1\.", ".first."), (r"\.c2\.", ".second."), (r"\.bn\.", ".norm.")),
}


class YNetLayout(KeyLayout):
    """Y-Net as its authors published its code (MIT); their weights and data are not public.

    How maps are to be enlarged is not in the weights: what was trained with PyTorch 0.2 wants
    ``align_corners=true``, which is the network's default, what was trained later ``false``.
    """

    authors = "Y-Net's authors"
    architectures = ("ynet", "ynet-joint")
    normalisations: ClassVar[Mapping[str, Normalisation]] = {
        "breast-biopsy": UNIT.model_copy(update={"order": "BGR"}),
    }

    def matches(self, architecture: str, state: State) -> bool:
        """Tell by the last convolution of the segmentation network.

        See :meth:`KeyLayout.matches`.
        """
        return f"{self._prefix(architecture)}class_0.3.weight" in state

    def read_classes(self, architecture: str, state: State) -> int:
        """Read the width of that convolution; see :meth:`KeyLayout.read_classes`."""
        return int(state[f"{self._prefix(architecture)}class_0.3.weight"].shape[0])

    def read_arguments(self, architecture: str, state: State) -> Arguments:
        """Tell the unit by its branches, and the number of diagnoses by the last layer.

        See :meth:`KeyLayout.read_arguments`.
        """
        arguments: Arguments = {"unit": self._unit(state)}
        if architecture == "ynet-joint":
            arguments["diagnoses"] = int(state["fc2.weight"].shape[0])
        return arguments

    def translate(self, architecture: str, state: State) -> dict[str, Tensor]:
        """Rename every tensor to our names; see :meth:`KeyLayout.translate`."""
        prefix, inside = self._prefix(architecture), _UNITS[self._unit(state)]
        return {
            renamed(
                key.removeprefix(prefix),
                (_SEGMENTATION if key.startswith(prefix) else _DIAGNOSIS) + inside,
            ): value
            for key, value in state.items()
        }

    @staticmethod
    def _prefix(architecture: str) -> str:
        return _JOINT if architecture == "ynet-joint" else ""

    @staticmethod
    def _unit(state: State) -> str:
        return "C1" if any(key.endswith("level2_0.d8.conv.weight") for key in state) else "D1"
