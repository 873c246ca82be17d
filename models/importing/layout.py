"""What an importer has to know about other authors' checkpoints."""

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
        What the published weights of each data set were trained on.
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
        """Tell whether the keys are those of this layout for `architecture`."""
        return self.signature_key in state

    @abstractmethod
    def read_classes(self, architecture: str, state: State) -> int:
        """Read the number of classes off the shapes."""

    def read_arguments(self, architecture: str, state: State) -> Arguments:
        """Read the architecture's arguments off the keys and shapes; none unless overridden."""
        return {}

    def translate(self, architecture: str, state: State) -> dict[str, Tensor]:
        """Rename every tensor to our names; unknown ones keep theirs and are refused later."""
        return renamed_state(state, self.renames)
