"""What the two layouts of ESPNetv2's authors share: the names of the encoder's tensors."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from wsiseg.models.importing.key_renaming import Renames, State, renamed_state
from wsiseg.models.importing.layout import KeyLayout
from wsiseg.models.networks.espnetv2 import CHANNELS
from wsiseg.models.registry import Arguments

ENCODER: Renames = (
    (r"^encoder\.level([234])_0\.eesp\.", r"encoder.down\1.pyramid."),
    (r"^encoder\.level([234])_0\.inp_reinf\.", r"encoder.down\1.reinforce."),
    (r"^encoder\.level([234])_0\.act\.", r"encoder.down\1.act."),
)
"""The modules that shrink, once the encoder is called so."""

PYRAMID: Renames = (
    (r"\.proj_1x1\.", ".reduce."),
    (r"\.spp_dw\.(\d)\.conv\.", r".branches.\1."),
    (r"\.br_after_cat\.", ".fuse."),
    (r"\.conv_1x1_exp\.", ".expand."),
    (r"\.module_act\.", ".act."),
    (r"\.bn\.", ".norm."),
)
"""What is inside a pyramid, and batch norm everywhere."""


class ESPNetv2Layout(KeyLayout):
    """ESPNetv2 with one of its decoders.

    Attributes
    ----------
    decoder : str
        Which one.
    encoder : str
        What the authors call the encoder.
    classifier : str
        The key of the last convolution, which only this layout has.
    decoder_renames : tuple
        Patterns for the decoder's keys, and ours.
    """

    architectures = ("espnetv2",)
    decoder: ClassVar[str]
    encoder: ClassVar[str]
    classifier: ClassVar[str]
    decoder_renames: ClassVar[Renames]

    def matches(self, architecture: str, state: State) -> bool:
        """Tell by the last convolution, which each decoder has under another name.

        See :meth:`KeyLayout.matches`.
        """
        return self.classifier in state

    def read_classes(self, architecture: str, state: State) -> int:
        """Read the width of the last convolution; see :meth:`KeyLayout.read_classes`."""
        return int(state[self.classifier].shape[0])

    def read_arguments(self, architecture: str, state: State) -> Arguments:
        """Tell the width by the channels at 1/4; see :meth:`KeyLayout.read_arguments`."""
        quarter = int(state[f"{self.encoder}.level2_0.act.weight"].shape[0])
        widths: list[float] = [w for w, channels in CHANNELS.items() if channels[1] == quarter]
        if not widths:
            msg = f"no width has {quarter} channels at 1/4"
            raise ValueError(msg)
        return {"width": widths[0], "decoder": self.decoder}

    def translate(self, architecture: str, state: State) -> dict[str, Tensor]:
        """Rename every tensor to our names; see :meth:`KeyLayout.translate`."""
        renames = (
            (rf"^{self.encoder}\.", "encoder."),
            *ENCODER,
            *self.decoder_renames,
            *PYRAMID,
        )
        return renamed_state(state, renames)
