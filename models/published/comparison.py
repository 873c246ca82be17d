"""Published figures beside the same figure computed here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from wsiseg.models.folding import merge_paths
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.profiling import count_macs, count_parameters
from wsiseg.models.published import Figure, list_figures
from wsiseg.models.registry import create_model


@dataclass(frozen=True)
class Comparison:
    """A published figure beside our own of the same form of the network.

    Attributes
    ----------
    figure : Figure
        As published.
    here : float or None
        In the same unit; None where only training or another machine would tell.
    """

    figure: Figure
    here: float | None

    @property
    def agrees(self) -> bool | None:
        """Whether both are the same to the last published digit; None where there is only one."""
        return None if self.here is None else self.figure.agrees(self.here)

    @property
    def text(self) -> str:
        """What is computed here and, where it is another number, why; nothing without one."""
        if self.here is None:
            return ""
        number = f"{self.here:.{6 if self.figure.unit == 'M' else 3}f} {self.figure.unit}"
        return number if self.agrees else f"{number}, differs: {self.figure.note}"


def compare(name: str) -> tuple[Comparison, ...]:
    """Return what has been published about an architecture, each beside what is computed here."""
    return tuple(Comparison(figure, _compute(name, figure)) for figure in list_figures(name))


def _compute(name: str, figure: Figure) -> float | None:
    measure = figure.measure
    if figure.variant or not measure.startswith(("parameters", "size", "MACs")):
        return None
    arguments = tuple(figure.arguments.items())
    network = _build(name, figure.classes, arguments, folded="folded" in measure)
    if measure.startswith("MACs"):
        return None if figure.picture is None else count_macs(network, *figure.picture) / 1e9
    count = count_parameters(network)
    if "with auxiliary heads" in measure:
        whole = _build(name, figure.classes, arguments, folded=False)
        count += sum(count_parameters(whole.get_submodule(part)) for part in whole.auxiliary)
    return count * 4 / 1e6 if measure == "size" else count / 1e6


@lru_cache(maxsize=16)
def _build(
    name: str, classes: int, arguments: tuple[tuple[str, object], ...], *, folded: bool
) -> SegmentationNetwork:
    """Build a network without weights, which is quick."""
    with torch.device("meta"):
        network = create_model(name, classes, **dict(arguments))
    return merge_paths(network) if folded else network
