"""The interface of a key layout: how one group of authors names a network's tensors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from wsiseg.models.importing.key_renaming import Renames, State, renamed_state
from wsiseg.models.normalisation import Normalisation
from wsiseg.models.registry import Arguments


class KeyLayout(ABC):
    """How one group of authors names the tensors of their networks.

    Attributes
    ----------
    authors : str
        Whose layout it is.
    architectures : tuple of str
        The registered names that it can fill.
    normalisations : dict
        The normalisation that the published weights of each data set were trained with.
    signature_key : str
        A key that only this layout has.
    renames : tuple
        Patterns of their names, and ours.
    """

    authors: ClassVar[str]
    architectures: ClassVar[tuple[str, ...]]
    normalisations: ClassVar[Mapping[str, Normalisation]]
    signature_key: ClassVar[str]
    renames: ClassVar[Renames]

    def matches(self, architecture: str, state: State) -> bool:
        """Tell whether a state dict is in this layout.

        Parameters
        ----------
        architecture : str
            Our name of the network.
        state : mapping of str to Tensor
            Under the authors' names.
        """
        return self.signature_key in state

    @abstractmethod
    def read_classes(self, architecture: str, state: State) -> int:
        """Return the number of classes, read from the shape of the last layer.

        Parameters
        ----------
        architecture : str
            Our name of the network.
        state : mapping of str to Tensor
            Under the authors' names.

        Raises
        ------
        KeyError, IndexError, ValueError
            If the tensor is missing or has another number of dimensions.
        """

    def read_arguments(self, architecture: str, state: State) -> Arguments:
        """Return the architecture's arguments, read from keys and shapes; none unless overridden.

        Parameters
        ----------
        architecture : str
            Our name of the network.
        state : mapping of str to Tensor
            Under the authors' names.

        Raises
        ------
        KeyError, IndexError, ValueError
            If they cannot be read.
        """
        return {}

    def translate(self, architecture: str, state: State) -> dict[str, Tensor]:
        """Return the tensors under our names; unknown keys are kept, and refused later.

        Parameters
        ----------
        architecture : str
            Our name of the network.
        state : mapping of str to Tensor
            Under the authors' names.
        """
        return renamed_state(state, self.renames)
