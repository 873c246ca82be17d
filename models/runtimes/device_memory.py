"""The memory of a GPU: how much is free, how large a batch may be, when there was too little."""

from __future__ import annotations

import torch

_SHARE = 0.7
"""Of the free memory; the rest is for the work space of convolutions, and for other programs."""

_TEXTS = ("out of memory", "alloc_failed", "can't allocate memory", "not enough memory")
"""By which libraries below PyTorch, Apple's GPU and CPUs tell that there is none."""

_PIXELS = 2**24
"""Of a batch: more of them at a time do not make a GPU faster, and have to be decoded first."""

_TILES = 64
"""Of a batch, however small they are."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether a device's memory is what an exception, or what led to it, is about.

    Parameters
    ----------
    error : BaseException or None
        PyTorch has a class of its own for CUDA's allocations, and texts for others.
    """
    while error is not None:
        text = str(error).lower()
        if isinstance(error, torch.OutOfMemoryError) or any(each in text for each in _TEXTS):
            return True
        error = error.__cause__ or error.__context__
    return False


def free_bytes(device: str) -> int | None:
    """Return the memory of a GPU that nobody uses; None where the processor has it.

    Parameters
    ----------
    device : str
        ``"cuda:0"``, ``"mps"``, ….
    """
    kind = device.partition(":")[0]
    if kind == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What PyTorch holds without using it.
        spare = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + spare
    if kind == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return None


def largest_batch(tile: tuple[int, int], bytes_per_pixel: float, free: int) -> int:
    """Return how many tiles a GPU computes at a time: at least one.

    Parameters
    ----------
    tile : tuple of int
        ``(height, width)``.
    bytes_per_pixel : float
        What the network takes for a pixel of a batch, in its number format.
    free : int
        Memory of the device, in bytes.

    Examples
    --------
    >>> largest_batch((1024, 1024), bytes_per_pixel=200, free=80 * 2**30)
    16
    >>> largest_batch((2048, 2048), bytes_per_pixel=200, free=2 * 2**30)
    1
    """
    area = tile[0] * tile[1]
    return max(1, min(_TILES, _PIXELS // area, int(_SHARE * free / (bytes_per_pixel * area))))
