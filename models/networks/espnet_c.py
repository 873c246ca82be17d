"""ESPNet-A, -B and -C: the path to ESPNet, logits at 1/8 (Mehta et al., ECCV 2018)."""

from __future__ import annotations

from torch import Tensor, nn

from wsiseg.models.layers.esp import BRANCHES, Fusion
from wsiseg.models.networks.espnet import (
    PAPER,
    Activation,
    Design,
    Down,
    ESPNetEncoder,
    Reinforcement,
    Unit,
)
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import register


class EncoderNetwork(SegmentationNetwork):
    """An encoder of the ESPNets with a classifier; the base of ESPNet-A, -B and -C."""

    input_multiple = 8
    output_stride = 8
    concatenation: bool
    """Whether levels join what comes into them and what they make of it."""
    reinforcement: Reinforcement
    """What happens to the shrunken image unless asked otherwise."""

    def __init__(
        self,
        classes: int,
        *,
        alpha2: int = 2,
        alpha3: int = 8,
        channels2: int = 64,
        channels3: int = 128,
        unit: Unit = "esp",
        down: Down = "auto",
        branches: int = BRANCHES,
        reduction: int = 1,
        hff: Fusion = "authors",
        residual: bool = True,
        activation: Activation = "prelu",
        reinforcement: Reinforcement = "auto",
    ) -> None:
        super().__init__(classes)
        design = Design(
            concatenation=self.concatenation,
            reinforcement=self.reinforcement if reinforcement == "auto" else reinforcement,
            alpha2=alpha2,
            alpha3=alpha3,
            channels2=channels2,
            channels3=channels3,
            unit=unit,
            down=down,
            branches=branches,
            reduction=reduction,
            hff=hff,
            residual=residual,
            activation=activation,
        )
        self.encoder = ESPNetEncoder(design)
        self.classifier = nn.Conv2d(self.encoder.widths[-1], classes, 1, bias=False)

    def dense(self, x: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, classes, H / 8, W / 8)``."""
        logits: Tensor = self.classifier(self.encoder(x)[-1])
        return logits

    def supervised(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits at 1/8, where the paper trains them (§4.1)."""
        return (self.coarse(x),)


@register("espnet-a", family="ESPNet", paper=PAPER)
class ESPNetA(EncoderNetwork):
    """ESPNet-A: strided ESP modules widen the network, nothing is joined (paper, appendix B).

    The authors published no code of it; it is built from the modules of their ESPNet-C.

    Parameters
    ----------
    classes, alpha2, …
        The arguments of :class:`ESPNetC`; `reinforcement` is ``none`` if left out.
    """

    concatenation = False
    reinforcement = "none"


@register("espnet-b", family="ESPNet", paper=PAPER)
class ESPNetB(EncoderNetwork):
    """ESPNet-B: ESPNet-A, widened by what each strided ESP module has made (paper, appendix B).

    At levels 2 and 3 the maps of the strided module stand beside those of the last module.  The
    authors published no code of it; it is their ESPNet-C without the image.

    Parameters
    ----------
    classes, alpha2, …
        The arguments of :class:`ESPNetC`; `reinforcement` is ``none`` if left out.
    """

    concatenation = True
    reinforcement = "none"


@register("espnet-c", family="ESPNet", paper=PAPER)
class ESPNetC(EncoderNetwork):
    """ESPNet-C: ESPNet-B shown the shrunken image at levels 1 and 2, logits at 1/8.

    With the arguments left out, all but `alpha2` and `alpha3`, it is the authors' network bit for
    bit.  The others are what the paper's experiments vary (sections 4.2 and 4.4).  The changes in
    parameters that it reports are those of this network with three modules at level 3: strided
    convolutions in the place of strided ESP modules make it half as large again (the paper: strided
    ESP saves 33 %), 3×3 reductions add 48 %, and the image added instead of concatenated costs
    11 % (the paper: about 10 %).

    Parameters
    ----------
    classes : int
        1 to 255.
    alpha2, alpha3 : int
        Units at levels 2 and 3, at least 1 each (paper: α₂ = 2, α₃ = 3, 5 or 8).
    channels2, channels3 : int
        Channels of those levels, multiples of 16; the paper's wider ESPNet has 128 and 256.
    unit : {"esp", "mobilenet", "shufflenet", "inception", "resnext", "resnet", "asp"}
        What is repeated there; all but the first are in :mod:`wsiseg.models.networks.espnet_units`.
    down : {"auto", "esp", "conv"}
        What halves the resolution in front of them: a strided ESP module or a strided 3×3
        convolution.  Left to itself a convolution where the units are others than ESP, as in the
        paper's comparison of units.
    branches : int
        K, the branches of an ESP module, 1 to 10 (paper: 2 to 8); branch k has dilation 2 to the
        power of k.
    reduction : {1, 3}
        Edge of the convolution that an ESP module of stride 1 begins with.
    hff : {"authors", "paper", "off"}
        Hierarchical feature fusion in ESP modules: from the second branch on as in the authors'
        code, from the first one on as the paper's figure draws it, or none.
    residual : bool
        Whether an ESP module of stride 1 adds its input.
    activation : {"prelu", "relu"}
        Of all layers.
    reinforcement : {"auto", "concatenate", "add", "none"}
        What the shrunken image is used for.  ``concatenate``: it is put beside the maps of levels
        1 and 2.  ``add``: the paper's other attempt, input-aware fusion, after Mehta et al., WACV
        2018: what a 3×3 convolution of its own makes of the image is added to the output of every
        unit at levels 2 and 3.  Where it is added, and that the convolution has a batch norm and
        an activation, is our reading.  Left to itself ``concatenate`` in ESPNet-C and ``none`` in
        ESPNet-A and ESPNet-B.
    """

    concatenation = True
    reinforcement = "concatenate"
