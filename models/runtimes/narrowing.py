"""Networks that compute in 16 bits: their weights are converted once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from wsiseg.errors import RuntimeUnavailableError
from wsiseg.models.cloning import clone
from wsiseg.models.tile_network import TileNetwork

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
"""The formats that are narrower than fp32."""


def narrow(network: TileNetwork, dtype: torch.dtype, *, norms: bool = False) -> TileNetwork:
    """Return a network that computes in a narrower format.

    Nothing is converted while it runs but the pixels, once, as soon as they are normalised, and
    the logits; that gives the same as PyTorch's autocast without its work at every layer.  Batch
    norms keep their statistics as they are, since a variance may be too large for 16 bits where
    what it divides is not.

    Parameters
    ----------
    network : TileNetwork
        Left as it is.
    dtype : torch.dtype
        ``torch.float16`` or ``torch.bfloat16``.
    norms : bool
        Whether to convert batch norms as well, for runtimes that want one format.

    Raises
    ------
    RuntimeUnavailableError
        If a weight is too large for the format.
    """
    narrowed = clone(network).requires_grad_(False)
    for module in narrowed.network.modules():
        if norms or not isinstance(module, _BatchNorm):
            _convert(module, dtype)
    narrowed.network.register_forward_pre_hook(lambda _, inputs: (inputs[0].to(dtype),))
    return narrowed


def _convert(module: nn.Module, dtype: torch.dtype) -> None:
    """Convert what a module holds itself."""
    for held in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        if held.is_floating_point():
            converted = held.data.to(dtype)
            if not held.is_meta and (held.isfinite() != converted.isfinite()).any():
                raise RuntimeUnavailableError(
                    "weights of the network are too large for fp16",
                    "`precision`",
                    "Use `precision=bf16` or `precision=fp32`.",
                )
            held.data = converted


def fits_fp16(network: TileNetwork, device: str) -> bool:
    """Tell whether no weight and no layer of a network overflows in fp16.

    Parameters
    ----------
    network : TileNetwork
        In fp32; left as it is.
    device : str
        Where PyTorch tries it.
    """
    try:
        narrowed = narrow(network, torch.float16, norms=device == "mps")
    except RuntimeUnavailableError:
        return False
    return not overflows(narrowed.to(device), _harsh_tiles().to(device))


def _harsh_tiles() -> Tensor:
    """Return tiles that excite a network more than tissue does: black, white, noise, lines."""
    tiles = torch.zeros((4, 256, 256, 3), dtype=torch.uint8)
    tiles[1] = 255
    noise = torch.Generator().manual_seed(0)
    tiles[2] = torch.randint(0, 256, tiles[2].shape, dtype=torch.uint8, generator=noise)
    tiles[3, ::2] = 255
    return tiles


def overflows(network: TileNetwork, tiles: Tensor) -> bool:
    """Tell whether any layer of a network gives something that is not finite.

    An overflow in the middle need not show in the logits: a sigmoid makes a finite number of it.

    Parameters
    ----------
    network : TileNetwork
        In the format, and on the device, that is asked about.
    tiles : Tensor
        uint8 ``(B, H, W, 3)``, on the same device.
    """
    with torch.inference_mode(), _watching(network.network) as bad:
        network(tiles)
        return any(bool(each) for each in bad)


@contextmanager
def _watching(network: nn.Module) -> Iterator[list[Tensor]]:
    """Collect, for every result of every layer, whether it is not finite."""
    bad: list[Tensor] = []

    def look(_: nn.Module, __: object, output: object) -> None:
        given = output if isinstance(output, (tuple, list)) else (output,)
        tensors = (each for each in given if isinstance(each, Tensor) and each.is_floating_point())
        bad.extend(~each.isfinite().all() for each in tensors)

    hooks = [module.register_forward_hook(look) for module in network.modules()]
    try:
        yield bad
    finally:
        for hook in hooks:
            hook.remove()
