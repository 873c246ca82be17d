"""Every network in each of its forms, as small as its arguments make it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from wsiseg.models import create_model
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import Arguments


@dataclass(frozen=True)
class Form:
    """An architecture and its arguments."""

    name: str
    arguments: Arguments = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{key}={value}" for key, value in self.arguments.items())])

    def build(self, classes: int) -> SegmentationNetwork:
        return create_model(self.name, classes, **self.arguments)


_SHALLOW: Arguments = {"alpha2": 1, "alpha3": 1}
_SMALLEST: Mapping[str, Arguments] = {
    **dict.fromkeys(("espnet-a", "espnet-b", "espnet-c", "espnet"), _SHALLOW),
    "espnetv2": {"width": 0.5},
    "cgnet": {"blocks2": 2, "blocks3": 2},
    "icnet": {"backbone": "resnet18"},
    "pspnet": {"backbone": "resnet50"},
    # 4096 channels make 540 MB of weights.
    "fcn8s": {"width": 64},
}
"""Arguments that make an architecture light and change nothing else."""

_PLAIN = (
    *("espnet-a", "espnet-b", "espnet-c", "espnet", "espnetv2", "ynet", "ynet-joint"),
    *("enet", "erfnet", "cgnet", "dabnet", "icnet"),
    *("rdrnet-s-simple", "rdrnet-s", "rdrnet-m", "rdrnet-l", "ddrnet23-slim", "ddrnet23"),
    *("pidnet-s", "pidnet-m", "pidnet-l", "bisenetv1", "bisenetv2", "fast-scnn"),
    *("stdc1", "stdc2", "pp-liteseg", "fcn8s", "segnet", "sqnet", "pspnet", "deeplabv2"),
)

_SIZES = ("espnet-b", "rdrnet-s", "rdrnet-m", "rdrnet-l", "ddrnet23", "pidnet-m", "stdc2")
"""Those of them that have the kinds of layers of another one, more of them or wider ones."""

_OTHERS: tuple[tuple[str, Arguments], ...] = (
    # What ESPNet's paper varies, several at a time where they do not meet.
    ("espnet-c", {"unit": "mobilenet", "activation": "relu"}),
    ("espnet-c", {"unit": "shufflenet", "down": "esp"}),
    ("espnet-c", {"unit": "inception", "reinforcement": "none"}),
    ("espnet-c", {"unit": "resnext", "reinforcement": "add"}),
    ("espnet-c", {"unit": "resnet"}),
    ("espnet-c", {"unit": "asp", "down": "conv"}),
    ("espnetv2", {"decoder": "standalone"}),
    ("ynet", {"unit": "D1", "align_corners": False}),
    ("icnet", {"form": "mmseg"}),
    ("icnet", {"form": "caffe", "backbone": "resnet50"}),
    ("rdrnet-s-simple", {"context": "ppm", "fusion": "first"}),
    # These have another way through a layer or a function.
    ("espnet-c", {"hff": "paper", "reduction": 3}),
    ("enet", {"form": "camvid"}),
)
"""Forms that have kinds of layers of their own."""

_VARIANTS: tuple[tuple[str, Arguments], ...] = (
    ("espnet-a", {"hff": "off", "residual": False, "reinforcement": "concatenate"}),
    ("espnet", {"skip": "train", "branches": 2}),
    ("espnet", {"skip": "paper", "width": 20, "channels2": 128, "channels3": 256, "branches": 4}),
    ("ynet-joint", {"unit": "D1", "diagnoses": 3}),
    ("erfnet", {"form": "mmseg"}),
    ("cgnet", {"form": "mmseg"}),
    ("rdrnet-s-simple", {"context": "dappm", "fusion": "second"}),
    ("rdrnet-s-simple", {"context": "pappm", "fusion": "none"}),
    ("rdrnet-s-simple", {"context": "none"}),
    ("pp-liteseg", {"backbone": "stdc2"}),
)
"""Forms that put together in another way what others have as well."""


def narrowed(name: str) -> Arguments:
    """Return the arguments that make an architecture light, none for most."""
    return dict(_SMALLEST.get(name, {}))


PLAIN = tuple(Form(name, narrowed(name)) for name in _PLAIN)
"""Every architecture as it is if nothing else is asked for."""

_RARE = tuple(Form(name, narrowed(name) | other) for name, other in _OTHERS)

FORMS = (*PLAIN, *_RARE, *(Form(name, narrowed(name) | other) for name, other in _VARIANTS))
"""All of them."""

DISTINCT = (*(form for form in PLAIN if form.name not in _SIZES), *_RARE)
"""Those that together have every kind of layer that any of them has."""


def kinds(network: nn.Module) -> set[object]:
    """Return the kinds of layers of a network: their classes, and what convolutions are like."""
    return {_kind(module) for module in network.modules() if module is not network}


def _kind(module: nn.Module) -> object:
    if not isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        return type(module)
    grouped = "depth-wise" if module.groups == module.in_channels > 1 else module.groups > 1
    shape = (module.kernel_size, module.stride, module.padding, module.dilation)
    return type(module), *shape, module.output_padding, grouped, module.bias is not None
