"""The layouts of CGNet: its authors' and that of MMSegmentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from wsiseg.models.importing.key_renaming import Renames, State, count_numbered
from wsiseg.models.importing.layout import KeyLayout
from wsiseg.models.importing.mean_subtraction import subtract_mean
from wsiseg.models.normalisation import Normalisation
from wsiseg.models.registry import Arguments

_AUTHORS: Renames = (
    (r"^level1_(\d)\.", r"encoder.level1.\1."),
    (r"^b1\.", "encoder.fuse1."),
    (r"^bn_prelu_([23])\.", r"encoder.fuse\1."),
    (r"^level([23])_0\.(bn|act)\.", r"encoder.down\1.fuse.\2."),
    (r"^level([23])_0\.reduce\.conv\.", r"encoder.down\1.project."),
    (r"^level([23])_0\.", r"encoder.down\1."),
    (r"^level([23])\.", r"encoder.level\1."),
    (r"^classifier\.0\.conv\.", "classifier."),
    # Inside a block.
    (r"\.conv1x1\.", ".reduce."),
    (r"\.F_loc\.conv\.", ".context.local."),
    (r"\.F_sur\.conv\.", ".context.surrounding."),
    (r"\.bn_prelu\.", ".fuse."),
    (r"\.F_glo\.fc\.0\.", ".gate.squeeze."),
    (r"\.F_glo\.fc\.2\.", ".gate.excite."),
    (r"\.bn\.", ".norm."),
)

_MMSEG: Renames = (
    (r"^backbone\.stem\.", "encoder.level1."),
    # MMSegmentation counts the stages of blocks from 1, and the one that shrinks among them.
    (r"^backbone\.level2\.0\.", "encoder.down3."),
    (r"^backbone\.level1\.0\.", "encoder.down2."),
    (r"^backbone\.level2\.(\d+)\.", lambda m: f"encoder.level3.{int(m[1]) - 1}."),
    (r"^backbone\.level1\.(\d+)\.", lambda m: f"encoder.level2.{int(m[1]) - 1}."),
    (r"^backbone\.norm_prelu_(\d)\.0\.", lambda m: f"encoder.fuse{int(m[1]) + 1}.norm."),
    (r"^backbone\.norm_prelu_(\d)\.1\.", lambda m: f"encoder.fuse{int(m[1]) + 1}.act."),
    (r"^decode_head\.conv_seg\.", "classifier."),
    # Inside a block.
    (r"^(encoder\.(?:down|level)[23](?:\.\d+)?)\.(bn|activate)\.", r"\1.fuse.\2."),
    (r"\.conv1x1\.", ".reduce."),
    (r"\.f_loc\.", ".context.local."),
    (r"\.f_sur\.", ".context.surrounding."),
    (r"\.bottleneck\.", ".project."),
    (r"\.f_glo\.fc\.0\.", ".gate.squeeze."),
    (r"\.f_glo\.fc\.2\.", ".gate.excite."),
    (r"\.activate\.", ".act."),
    (r"\.bn\.", ".norm."),
)


class CGNetLayout(KeyLayout):
    """CGNet as its authors published it (MIT).

    Their means are those of blue, green and red, and their program takes them off red, green and
    blue.  Its own words say otherwise; of the pixels of CamVid the published weights get 97 %
    right in this order and 68 % in the other.
    """

    authors = "CGNet's authors"
    architectures = ("cgnet",)
    signature_key = "level2_0.F_loc.conv.weight"
    renames = _AUTHORS
    normalisations: ClassVar[Mapping[str, Normalisation]] = subtract_mean("RGB")

    def read_classes(self, architecture: str, state: State) -> int:
        """Read the width of the classifier; see :meth:`KeyLayout.read_classes`."""
        return int(state["classifier.0.conv.weight"].shape[0])

    def read_arguments(self, architecture: str, state: State) -> Arguments:
        """Name the form and count the blocks; see :meth:`KeyLayout.read_arguments`."""
        return {
            "form": "authors",
            "blocks2": count_numbered(state, "level2.") + 1,
            "blocks3": count_numbered(state, "level3.") + 1,
        }


class MMSegCGNetLayout(KeyLayout):
    """CGNet as MMSegmentation names it (Apache-2.0)."""

    authors = "MMSegmentation"
    architectures = ("cgnet",)
    signature_key = "backbone.level1.0.f_loc.weight"
    renames = _MMSEG
    # The authors' numbers in the authors' order.
    normalisations: ClassVar[Mapping[str, Normalisation]] = {
        "cityscapes": CGNetLayout.normalisations["cityscapes"]
    }

    def read_classes(self, architecture: str, state: State) -> int:
        """Read the width of the classifier; see :meth:`KeyLayout.read_classes`."""
        return int(state["decode_head.conv_seg.weight"].shape[0])

    def read_arguments(self, architecture: str, state: State) -> Arguments:
        """Name the form and count the blocks; see :meth:`KeyLayout.read_arguments`."""
        return {
            "form": "mmseg",
            "blocks2": count_numbered(state, "backbone.level1."),
            "blocks3": count_numbered(state, "backbone.level2."),
        }
