"""How much the pixels of each class count."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def inverse_log_weights(pixels: npt.NDArray[np.float64], constant: float = 1.10) -> Tensor:
    """Return ``1 / ln(constant + p)`` for each class of probability p.

    The weighting of ENet (Paszke et al., 2016, §5.2, constant 1.02), taken over by ESPNet (1.10)
    and ERFNet (1.2).  Ignored pixels have no part in p.

    Parameters
    ----------
    pixels : ndarray
        ``(classes,)``: pixels of each class.
    constant : float
        Above 1; bounds the weight of the rarest class.

    Returns
    -------
    Tensor
        float32 ``(classes,)``.

    Examples
    --------
    >>> [round(weight, 2) for weight in inverse_log_weights(np.array([90.0, 10.0])).tolist()]
    [1.44, 5.48]
    """
    share = pixels / pixels.sum()
    return torch.from_numpy(1 / np.log(constant + share)).float()
