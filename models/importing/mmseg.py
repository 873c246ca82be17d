"""What the layouts of MMSegmentation have in common, whatever the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from wsiseg.models.importing.key_renaming import Renames, State
from wsiseg.models.importing.layout import KeyLayout
from wsiseg.models.normalisation import IMAGENET, Normalisation

SEPARABLE: Renames = (
    (r"\.depthwise_conv\.", ".0."),
    (r"\.pointwise_conv\.", ".1."),
)
"""The two halves of a separable convolution."""


def class_head(theirs: str, ours: str) -> Renames:
    """Return the renames of a head of 3×3 convolutions and a classifier.

    Parameters
    ----------
    theirs : str
        Regular expression of the head's name in MMSegmentation.
    ours : str
        Its name here.
    """
    return (
        (rf"^{theirs}\.convs\.", f"{ours}.convs."),
        (rf"^{theirs}\.conv_seg\.", f"{ours}.classifier."),
    )


class MMSegLayout(KeyLayout):
    """A network as MMSegmentation names it (Apache-2.0), trained on pixels as ImageNet has them."""

    authors = "MMSegmentation"
    normalisations: ClassVar[Mapping[str, Normalisation]] = {"cityscapes": IMAGENET}

    def read_classes(self, architecture: str, state: State) -> int:
        """Read the width of the classifier; see :meth:`KeyLayout.read_classes`."""
        return int(state["decode_head.conv_seg.weight"].shape[0])
