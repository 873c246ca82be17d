"""One published number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Measure = Literal[
    "mIoU",
    "category mIoU",
    "class accuracy",
    "diagnosis accuracy",
    "speed",
    "size",
    "parameters",
    "parameters folded",
    "parameters folded, with auxiliary heads",
    "MACs",
    "MACs folded",
]

UNITS: dict[Measure, str] = {
    "mIoU": "%",
    "category mIoU": "%",
    "class accuracy": "%",
    "diagnosis accuracy": "%",
    "speed": "FPS",
    "size": "MB",
    "parameters": "M",
    "parameters folded": "M",
    "parameters folded, with auxiliary heads": "M",
    "MACs": "G",
    "MACs folded": "G",
}

Arguments = Mapping[str, bool | int | float | str]


@dataclass(frozen=True)
class Figure:
    """One published number.

    Attributes
    ----------
    measure : str
        What is measured; its unit stands in `UNITS`.
    digits : str
        The number in that unit, with the digits that were published.
    on : str
        Data set and part of it, size of the pictures and device, or number of classes.
    source : str
        Who says so.
    arguments : dict
        Of the architecture, where they are not those that it has if left out.
    classes : int
        That parameters and operations are counted at.
    picture : tuple of int, optional
        ``(height, width)`` that operations are counted at.
    variant : str
        In words, a form of the network that cannot be built here.
    note : str
        Why what is counted here is another number.
    """

    measure: Measure
    digits: str
    on: str
    source: str
    arguments: Arguments = field(default_factory=dict)
    classes: int = 19
    picture: tuple[int, int] | None = None
    variant: str = ""
    note: str = ""

    @property
    def value(self) -> float:
        """The number."""
        return float(self.digits)

    @property
    def unit(self) -> str:
        """What `value` counts: per cent, millions and the like."""
        return UNITS[self.measure]

    @property
    def form(self) -> str:
        """Which form of the network it is about, in words; nothing where it is the usual one."""
        return self.variant or ", ".join(f"{key}={value}" for key, value in self.arguments.items())

    @property
    def text(self) -> str:
        """Measure, value and unit, and the form where it is not the usual one."""
        return f"{self.measure} {self.digits} {self.unit}" + (
            f" with {self.form}" * bool(self.form)
        )

    def agrees(self, number: float) -> bool:
        """Tell whether another number is the same to the last published digit.

        Some authors round it, others cut off what is behind it.
        """
        decimals = len(self.digits.partition(".")[2])
        return bool(abs(number - self.value) < 10.0**-decimals)
