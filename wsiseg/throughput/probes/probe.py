"""The interface of a probe: it reads what one kind of hardware tells of its power."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self


@dataclass(frozen=True)
class Reading:
    """What a probe says at one moment; None where its hardware does not tell.

    Attributes
    ----------
    watts : float or None
        Power.
    joules : float or None
        A counter of energy, whose differences mean something.
    utilisation : float or None
        Share of the time, between 0 and 1, in which the processor worked.
    clock_mhz : float or None
        Its clock.
    memory_mb : float or None
        Its own memory in use, in MiB.
    """

    watts: float | None = None
    joules: float | None = None
    utilisation: float | None = None
    clock_mhz: float | None = None
    memory_mb: float | None = None


class Probe(ABC):
    """Reads one kind of hardware."""

    covers: ClassVar[str]
    """What its power is that of, in words: ``"the processor packages"``."""
    is_whole: ClassVar[bool] = False
    """Whether that is the whole machine; such figures are not added to others."""

    @classmethod
    @abstractmethod
    def find(cls, device: str) -> Self | None:
        """Return a probe of the hardware that a run uses, or None if it does not tell.

        Parameters
        ----------
        device : str
            Where the network runs: ``"cpu"``, ``"cuda:0"``, ….
        """

    @abstractmethod
    def read(self) -> Reading:
        """Return what the hardware says now.

        Raises
        ------
        OSError
            If it says nothing any more.
        """

    def close(self) -> None:
        """Let go of it."""
        return
