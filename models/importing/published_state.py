"""State dicts that other authors published: read without running code, in a known layout."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from wsiseg.errors import CheckpointError, WeightsMismatchError
from wsiseg.models.card import is_checkpoint
from wsiseg.models.importing.archives import refuse_bomb
from wsiseg.models.importing.key_renaming import State
from wsiseg.models.importing.layouts import find_layout
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import Arguments, create_model, find_architecture
from wsiseg.models.weights import load_strictly

_WRAPPERS = ("state_dict", "model", "model_state_dict")


def read_state(path: Path) -> State:
    """Read a ``.pth`` file without running any code in it.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    CheckpointError
        If it is unreadable, no file of plain weights, or one of ours.
    """
    if path.is_dir():
        raise CheckpointError("this is a folder, not a file of weights", path)
    if not path.is_file():
        raise CheckpointError("there is no such file", path)
    if is_checkpoint(path):
        raise CheckpointError(
            "this is a checkpoint already, and needs no import", path, "Use it as it is, with -c."
        )
    refuse_bomb(path)
    try:
        with warnings.catch_warnings():
            # torch.load warns of an unusual pickle protocol before it refuses the file.
            warnings.simplefilter("ignore", UserWarning)
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # On bytes that are no pickle the unpickler raises almost any kind of exception.
        raise CheckpointError(
            "the file cannot be read as plain weights",
            path,
            "Only tensors are taken; a file that wants to run code is refused.",
        ) from error
    if isinstance(content, Mapping):
        for key in _WRAPPERS:
            if isinstance(content.get(key), Mapping):
                content = content[key]
                break
    if not isinstance(content, Mapping) or not all(
        isinstance(k, str) and isinstance(v, Tensor) and v.layout == torch.strided
        for k, v in content.items()
    ):
        raise CheckpointError("the file holds no state dict", path)
    return content


def without_prefix(state: State) -> dict[str, Tensor]:
    """Take off what ``DataParallel`` puts in front of every key."""
    if state and all(key.startswith("module.") for key in state):
        return {key.removeprefix("module."): value for key, value in state.items()}
    return dict(state)


class PublishedState:
    """A state dict of other authors, with the layout that it is in.

    Parameters
    ----------
    architecture : str
        Our name of the network.
    state : mapping of str to Tensor
        Under the authors' names.
    where : Path, optional
        The file, for errors.
    """

    def __init__(self, architecture: str, state: State, where: Path | None = None) -> None:
        self._architecture = architecture
        self._state = without_prefix(state)
        self._where = where
        self.layout = find_layout(architecture, self._state, where)
        tracked = _TrackedState(self._state)
        try:
            self.arguments = self.layout.read_arguments(architecture, tracked)
            self.classes = self.layout.read_classes(architecture, tracked)
        except KeyError as error:
            raise WeightsMismatchError(
                f"1 missing: {error.args[0]}", where, "Check the architecture."
            ) from error
        except (IndexError, ValueError) as error:
            shape = tuple(self._state[tracked.last].shape) if tracked.last else None
            raise WeightsMismatchError(
                f"{tracked.last} is {shape}, which it is in no {architecture}"
                if tracked.last
                else str(error),
                where,
                "Check the architecture.",
            ) from error

    def resolve_arguments(self, given: Arguments) -> Arguments:
        """Return the architecture's arguments: those of the file, and whatever it does not tell."""
        find_architecture(self._architecture).check(given)
        for key, value in given.items():
            if self.arguments.get(key, value) != value:
                raise WeightsMismatchError(
                    f"the file has {key}={self.arguments[key]}, not {value}",
                    self._where,
                    f"Leave {key} out: it is read off the file.",
                )
        return self.arguments | given

    def build(self, classes: int, settings: Arguments) -> SegmentationNetwork:
        """Return the network with these weights, in evaluation mode.

        Parameters
        ----------
        classes : int
            Number of classes.
        settings : dict
            The architecture's arguments.

        Raises
        ------
        WeightsMismatchError
            If tensors are missing, left over or of another shape.
        """
        network = create_model(self._architecture, classes, **settings)
        load_strictly(network, self.layout.translate(self._architecture, self._state), self._where)
        return network.eval()


class _TrackedState(dict[str, Tensor]):
    """A state dict that knows which tensor was looked at last."""

    last = ""

    def __getitem__(self, key: str) -> Tensor:
        tensor = super().__getitem__(key)
        self.last = key
        return tensor
