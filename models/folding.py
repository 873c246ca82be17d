"""Networks for inference: parallel paths and batch norms merged into single convolutions."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NoReturn, Protocol, TypeVar, runtime_checkable

from torch import nn

from wsiseg.models.cloning import clone
from wsiseg.models.merging import merge_norm

if TYPE_CHECKING:
    from wsiseg.models.networks.network import SegmentationNetwork

N = TypeVar("N", bound="SegmentationNetwork")

_IDLE = (nn.Identity, nn.Dropout, nn.Dropout2d)
"""What passes everything on in evaluation."""


@runtime_checkable
class Mergeable(Protocol):
    """A layer with parallel linear paths that training needs and inference does not."""

    def merged(self) -> nn.Module:
        """Return a layer with a single path and the same results in evaluation."""
        ...


@runtime_checkable
class HasConvNormPairs(Protocol):
    """A layer that names pairs of its modules that run one directly after the other.

    Attributes
    ----------
    conv_norm_pairs : tuple of (str, str)
        Names of its modules.  The whole result of the first goes into the second, and nowhere
        else, so that the last convolution of the first and a batch norm that begins the second
        can be merged.
    """

    conv_norm_pairs: ClassVar[tuple[tuple[str, str], ...]]


class RemovedModule(nn.Module):
    """Placeholder of a module that only training needs.

    Parameters
    ----------
    name : str
        Of that module in the network.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, *_: object) -> NoReturn:
        """Raise RuntimeError."""
        msg = f"{self.name} was left out for inference; train and supervise the original network"
        raise RuntimeError(msg)


def merge_paths(network: N) -> N:
    """Return an equivalent network for inference, without parallel paths and auxiliary heads.

    Batch norms that stand outside of such paths stay as they are.

    Parameters
    ----------
    network : SegmentationNetwork
        Left as it is.

    Returns
    -------
    SegmentationNetwork
        A copy in evaluation mode.  The modules that `auxiliary` names are gone: `supervised`
        raises RuntimeError where it needs one of them.
    """
    merged = clone(network).eval()
    for name in network.auxiliary:
        parent, _, child = name.rpartition(".")
        setattr(merged.get_submodule(parent), child, RemovedModule(name))
    merged.auxiliary = ()
    single: dict[Mergeable, nn.Module] = {}
    replaced: list[str] = []
    for path, module in list(merged.named_modules(remove_duplicate=False)):
        inside = any(path.startswith(f"{other}.") for other in replaced)
        if isinstance(module, Mergeable) and not inside:
            replaced.append(path)
            # One that stands in several places is one layer afterwards as well.
            if module not in single:
                single[module] = module.merged()
            merged.set_submodule(path, single[module])
    return merged.eval()


def fold(network: N) -> N:
    """Return an equivalent network for inference with as few layers as there can be.

    After :func:`merge_paths`, every batch norm that directly follows a convolution becomes part
    of it: inside :class:`torch.nn.Sequential` and those of its subclasses that do not run
    otherwise, and in layers that name such pairs (:class:`HasConvNormPairs`).  A norm of a sum or
    of a concatenation stays, and so does one in front of a convolution, whose zeros at the border
    are not normed.

    Under PyTorch that makes networks 2 to 22 % faster and RDRNet half as fast again.  OpenVINO
    merges batch norms by itself, but not RDRNet's paths, without which it is a third faster
    (``benchmarks/folding.py``).

    The sums of ESPNet's feature fusion stay sums: as one 1×1 convolution they are 6 % faster under
    OpenVINO and 10 % slower under PyTorch (``benchmarks/hff.py``).

    Parameters
    ----------
    network : SegmentationNetwork
        Left as it is.

    Returns
    -------
    SegmentationNetwork
        As :func:`merge_paths` returns it.

    Examples
    --------
    >>> from wsiseg.models import create_model
    >>> network = create_model("erfnet", classes=2)
    >>> folded = fold(network)
    >>> [sum(isinstance(m, nn.BatchNorm2d) for m in n.modules()) for n in (network, folded)]
    [39, 3]
    """
    folded = merge_paths(network)
    uses = Counter(module for _, module in folded.named_modules(remove_duplicate=False))
    for module in list(folded.modules()):
        if _is_chain(module):
            _fold_chain(list(_chain(module, uses)))
        elif isinstance(module, HasConvNormPairs):
            for first, second in module.conv_norm_pairs:
                _fold_chain([*_places(module, first, uses), *_places(module, second, uses)])
    return folded.eval()


@dataclass(frozen=True)
class _Place:
    """Where a layer stands, and whether it stands nowhere else."""

    parent: nn.Module
    name: str
    alone: bool

    @property
    def layer(self) -> nn.Module:
        return self.parent.get_submodule(self.name)


def _is_chain(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def _chain(module: nn.Module, uses: Counter[nn.Module]) -> Iterator[_Place]:
    for name, _ in module.named_modules(remove_duplicate=False):
        if name and "." not in name:
            yield from _places(module, name, uses)


def _places(parent: nn.Module, name: str, uses: Counter[nn.Module]) -> Iterator[_Place]:
    """Yield the layers that a module runs one after the other."""
    module = parent.get_submodule(name)
    alone = uses[module] == 1
    if _is_chain(module) and alone:
        yield from _chain(module, uses)
    elif not isinstance(module, _IDLE):
        yield _Place(parent, name, alone)


def _fold_chain(places: list[_Place]) -> None:
    for before, behind in itertools.pairwise(places):
        conv, norm = before.layer, behind.layer
        if not (before.alone and behind.alone and isinstance(norm, nn.BatchNorm2d)):
            continue
        if isinstance(conv, (nn.Conv2d, nn.ConvTranspose2d)) and norm.running_mean is not None:
            setattr(before.parent, before.name, merge_norm(conv, norm))
            setattr(behind.parent, behind.name, nn.Identity())
