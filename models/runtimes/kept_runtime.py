"""Runtimes whose compiled networks can be kept, and come back without PyTorch."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

from wsiseg.models.outputs import RawOutput
from wsiseg.models.runtimes.runtime import Runtime, RuntimeSettings


class KeptRuntime(Runtime):
    """A runtime that can be made of what it was compiled to."""

    @abstractmethod
    def dump(self) -> bytes:
        """Return what :meth:`restore` makes the same runtime of.

        It is asked for once, right after the network was compiled.
        """

    @classmethod
    def restore(
        cls, content: bytes, outputs: tuple[RawOutput, ...], settings: RuntimeSettings
    ) -> Self:
        """Return a runtime as it was when it was dumped, without its network.

        Parameters
        ----------
        content : bytes
            What :meth:`dump` returned, on the same hardware and under the same versions.
        outputs : tuple of str
            What the network gives.
        settings : RuntimeSettings
            With which it was compiled.
        """
        self = cls.__new__(cls)
        self.settings, self.outputs = settings, outputs
        self._begin(content)
        return self

    @abstractmethod
    def _begin(self, content: bytes) -> None:
        """Make ready to run what :meth:`dump` returned, for the settings."""


class ReshapedRuntime(KeptRuntime):
    """A runtime that compiles a kept network for tiles of any shape."""

    @abstractmethod
    def graph(self) -> bytes:
        """Return what :meth:`from_graph` compiles; asked for once, after the network was."""

    @classmethod
    @abstractmethod
    def from_graph(
        cls, content: bytes, outputs: tuple[RawOutput, ...], settings: RuntimeSettings
    ) -> Self:
        """Return a runtime for tiles of another shape, without its network.

        Parameters
        ----------
        content : bytes
            What :meth:`graph` returned, in the same precision and under the same versions.
        outputs : tuple of str
            What the network gives.
        settings : RuntimeSettings
            With which it is to be compiled.
        """
