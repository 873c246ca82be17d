"""Normalisation of 8-bit RGB pixels to the input that a network was trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    # Cards are read without it.
    from torch import Tensor

Triple = tuple[float, float, float]
_Divisor = Annotated[float, Field(ge=1e-6, le=1e6, allow_inf_nan=False)]
_Mean = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class Normalisation(BaseModel):
    """``((v / divide_first - mean) / std) / divide_last``, channel by channel.

    Attributes
    ----------
    order : {"RGB", "BGR"}
        Order of the channels that the network wants; `mean` and `std` are in that order.
    mean, std : tuple of float
        In units of ``v / divide_first``.
    divide_first, divide_last : float
        ImageNet habits divide by 255 first; the authors of ESPNet divide by 255 last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: Literal["RGB", "BGR"] = "RGB"
    mean: tuple[_Mean, _Mean, _Mean] = (0.485, 0.456, 0.406)
    std: tuple[_Divisor, _Divisor, _Divisor] = (0.229, 0.224, 0.225)
    divide_first: _Divisor = 255.0
    divide_last: _Divisor = 1.0

    def apply(self, pixels: Tensor) -> Tensor:
        """Normalise in the order of operations that the networks were trained with.

        Parameters
        ----------
        pixels : Tensor
            uint8 ``(B, H, W, 3)``, RGB.

        Returns
        -------
        Tensor
            float32 ``(B, 3, H, W)``.
        """
        values = self._ordered(pixels).float()
        mean, std = self._column(self.mean), self._column(self.std)
        return (values / self.divide_first - mean) / std / self.divide_last

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return the same map as one ``scale`` and ``shift``, each ``(1, 3, 1, 1)``."""
        import torch

        std = torch.tensor(self.std, dtype=torch.float64) * self.divide_last
        scale = 1.0 / (std * self.divide_first)
        shift = -torch.tensor(self.mean, dtype=torch.float64) / std
        shape = (1, 3, 1, 1)
        return scale.float().reshape(shape), shift.float().reshape(shape)

    def _ordered(self, pixels: Tensor) -> Tensor:
        channels_first = pixels.permute(0, 3, 1, 2)
        return channels_first.flip(1) if self.order == "BGR" else channels_first

    @staticmethod
    def _column(values: Triple) -> Tensor:
        import torch

        return torch.tensor(values, dtype=torch.float32).reshape(1, 3, 1, 1)


UNIT = Normalisation(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
"""RGB scaled to 0…1, and nothing else."""

IMAGENET = Normalisation()
"""RGB scaled to 0…1, minus the ImageNet mean, over its standard deviation."""
