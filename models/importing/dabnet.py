"""The layout of DABNet's authors: ``DAB_Block_2.DAB_Module_2_0.ddconv3x1.conv.weight`` etc."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from wsiseg.models.importing.key_renaming import Renames, State
from wsiseg.models.importing.layout import KeyLayout
from wsiseg.models.importing.mean_subtraction import subtract_mean
from wsiseg.models.normalisation import Normalisation

# The first level has no block; the authors count blocks from 1, ours have the level's number.
_RENAMES: Renames = (
    (r"^init_conv\.(\d)\.(conv)\.", r"encoder.level1.\1.\2."),
    (r"^init_conv\.(\d)\.bn_prelu\.", r"encoder.level1.\1."),
    (r"^bn_prelu_([123])\.", r"encoder.fuse\1."),
    (r"^downsample_1\.(conv3x3\.|bn_prelu\.)", r"encoder.down2.\1"),
    (r"^downsample_2\.(conv3x3\.|bn_prelu\.)", r"encoder.down3.\1"),
    (r"^(encoder\.down[23])\.conv3x3\.conv\.", r"\1.conv."),
    (r"^(encoder\.down[23])\.bn_prelu\.", r"\1."),
    (r"^DAB_Block_1\.DAB_Module_1_(\d+)\.", r"encoder.level2.\1."),
    (r"^DAB_Block_2\.DAB_Module_2_(\d+)\.", r"encoder.level3.\1."),
    (r"^classifier\.0\.conv\.", "classifier."),
    # Inside a block.
    (r"\.bn_relu_1\.", ".prepare."),
    (r"\.bn_relu_2\.", ".fuse."),
    (r"\.conv3x3\.conv\.", ".reduce.conv."),
    (r"\.conv3x3\.bn_prelu\.", ".reduce."),
    (r"\.conv1x1\.conv\.", ".expand."),
    (r"\.dconv3x1\.conv\.", ".local.vertical."),
    (r"\.dconv3x1\.bn_prelu\.", ".local.fuse_vertical."),
    (r"\.dconv1x3\.conv\.", ".local.horizontal."),
    (r"\.dconv1x3\.bn_prelu\.", ".local.fuse_horizontal."),
    (r"\.ddconv3x1\.conv\.", ".surrounding.vertical."),
    (r"\.ddconv3x1\.bn_prelu\.", ".surrounding.fuse_vertical."),
    (r"\.ddconv1x3\.conv\.", ".surrounding.horizontal."),
    (r"\.ddconv1x3\.bn_prelu\.", ".surrounding.fuse_horizontal."),
    (r"\.bn\.", ".norm."),
    (r"\.acti\.", ".act."),
)


class DABNetLayout(KeyLayout):
    """DABNet as its authors published it (MIT).

    Blue first is not verified: their words say so, but they gave out no weights to try it on, and
    of CGNet, whose program theirs goes back to, the same words are wrong.  If they trained with red
    first, an imported file labels poorly.
    """

    authors = "DABNet's authors"
    architectures = ("dabnet",)
    signature_key = "DAB_Block_1.DAB_Module_1_0.conv3x3.conv.weight"
    renames = _RENAMES
    normalisations: ClassVar[Mapping[str, Normalisation]] = subtract_mean("BGR")

    def read_classes(self, architecture: str, state: State) -> int:
        """Read the width of the classifier; see :meth:`KeyLayout.read_classes`."""
        return int(state["classifier.0.conv.weight"].shape[0])
