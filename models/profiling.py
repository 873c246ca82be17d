"""Cost and reach of a network: parameters, operations, memory, receptive field."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from wsiseg.models.cloning import clone
from wsiseg.models.layers.convolutions import StridedAvgPool
from wsiseg.models.networks.network import SegmentationNetwork


def count_parameters(network: nn.Module) -> int:
    """Return the number of learnable parameters, auxiliary heads included."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def count_macs(network: SegmentationNetwork, height: int = 512, width: int = 1024) -> int:
    """Return the multiply-accumulates of convolutions and matrix products for one picture.

    All outputs of the network count, Y-Net's diagnosis included.  Pooling does not, even where it
    is written as a convolution.

    Parameters
    ----------
    network : SegmentationNetwork
        Left as it is.
    height, width : int
        Size of the picture.

    Examples
    --------
    >>> from wsiseg.models import create_model
    >>> round(count_macs(create_model("espnet-c", classes=19)) / 1e9, 2)
    3.47
    """
    shadow = clone(network).eval().to("meta")
    # Batch norms are not counted, and take half of the time.
    for name, module in list(shadow.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            shadow.set_submodule(name, nn.Identity())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shadow.all_outputs(torch.empty((1, 3, height, width), device="meta"))
    pooling = {
        f"{type(shadow).__name__}.{n}"
        for n, m in shadow.named_modules()
        if type(m) is StridedAvgPool
    }
    counts = counter.get_flop_counts()
    total = counter.get_total_flops() - sum(sum(counts.get(name, {}).values()) for name in pooling)
    return int(total) // 2


def activation_bytes_per_pixel(network: SegmentationNetwork) -> float:
    """Return the peak memory of intermediate results per input pixel, in bytes.

    Measured on a small picture; it holds for any runtime that frees a result after its last use.
    """
    edge = 16 * network.input_multiple
    with _evaluating(network), _LiveBytes() as live:
        network(torch.zeros((1, 3, edge, edge)))
    return float(live.peak) / edge**2


def receptive_field(network: SegmentationNetwork, limit: int = 8192) -> int | None:
    """Return the width of the theoretical receptive field in input pixels.

    A line of NaN goes in, and the logits that turn NaN are those that can depend on it; nothing
    cancels a NaN.  One run for each phase of the network's stride gives the logits that each input
    line reaches, and from those the input lines that each logit sees.

    Parameters
    ----------
    network : SegmentationNetwork
        Left as it is.
    limit : int
        Widest field to look for.

    Returns
    -------
    int or None
        None for more than about `limit`; with global pooling it always is.
    """
    lengths = [length for length in (256 << k for k in range(32)) if length <= 2 * limit]
    for length in lengths:
        seen = [_furthest_view(network, length, axis) for axis in (2, 3)]
        fields = [field for field in seen if field is not None]
        if len(fields) == len(seen):
            return max(fields)
        # A field wider than the first length is mostly unbounded, which one run can tell.
        if length == lengths[0] and not _holds_field(network, lengths[-1], 3):
            return None
    return None


def _furthest_view(network: SegmentationNetwork, length: int, axis: int) -> int | None:
    """Return how wide the field is along an axis, None if `length` pixels do not hold it."""
    multiple = network.input_multiple
    # This tells at a fraction of the cost whether the length is too short.
    if not _holds_field(network, length, axis):
        return None
    reached = _pixels_reached(network, length, axis, 1)
    return max(_pixels_seen(place, reached, multiple) for place in range(multiple))


def _holds_field(network: SegmentationNetwork, length: int, axis: int) -> bool:
    """Tell whether what lines of all phases in the middle reach ends before the borders."""
    reached = _pixels_reached(network, length, axis, network.input_multiple)
    return all(first > 0 and last < length - 1 for _, first, last in reached)


def _pixels_reached(
    network: SegmentationNetwork, length: int, axis: int, width: int
) -> list[tuple[int, int, int]]:
    """Return, for `width` phases at a time, an input place and the first and last logit reached."""
    multiple = network.input_multiple
    places = [length // 2 + phase for phase in range(0, multiple, width)]
    shape = [len(places), 3, multiple, multiple]
    shape[axis] = length
    pictures = torch.ones(shape)
    for picture, place in zip(pictures, places, strict=True):
        picture.narrow(axis - 1, place, width).fill_(torch.nan)
    with _evaluating(network):
        touched = network(pictures).isnan().amax(dim=(1, 5 - axis))
    spans = [hit.nonzero() for hit in touched]
    # A stride without overlap passes over some places.
    return [
        (place, int(span.min()), int(span.max()))
        for place, span in zip(places, spans, strict=True)
        if len(span)
    ]


def _pixels_seen(logit: int, reached: list[tuple[int, int, int]], multiple: int) -> int:
    """Return how many pixels lie between the first and the last that reach a logit."""
    lowest = min(place - (last - logit) // multiple * multiple for place, _, last in reached)
    highest = max(place + (logit - first) // multiple * multiple for place, first, _ in reached)
    return highest - lowest + 1


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Run a network without training it.  Copying it would be slower by seconds of imports."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that are alive, and remembers the most."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._alive: int = 0
        self.peak: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor) and not self._is_view(tensor, args):
                self._follow(tensor)
        return result

    @staticmethod
    def _is_view(tensor: Tensor, args: Any) -> bool:
        place = tensor.untyped_storage().data_ptr()
        return any(isinstance(a, Tensor) and a.untyped_storage().data_ptr() == place for a in args)

    def _follow(self, tensor: Tensor) -> None:
        size = tensor.numel() * tensor.element_size()
        self._alive += size
        self.peak = max(self.peak, self._alive)
        weakref.finalize(tensor, self._forget, size)

    def _forget(self, size: int) -> None:
        self._alive -= size
