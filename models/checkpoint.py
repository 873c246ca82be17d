"""Checkpoints: weights with everything that a run needs to know about them.

One ``.safetensors`` file, see :mod:`wsiseg.models.card`.  Reading one never runs code.
"""

from __future__ import annotations

import contextlib
import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wsiseg.classes import LabelClass, numbered_classes
from wsiseg.error_translation import reason
from wsiseg.errors import CheckpointError, OutputError
from wsiseg.models.card import HEADER_KEY, CheckpointCard, ClassEntry, read_card
from wsiseg.models.held_network import HeldNetwork, digest, read_network
from wsiseg.models.quantised import INT8_KEY, Int8Form

if TYPE_CHECKING:
    from torch import Tensor

    from wsiseg.models.networks.network import SegmentationNetwork

__all__ = ["Checkpoint", "CheckpointCard", "ClassEntry", "load_checkpoint"]


class Checkpoint:
    """A trained network with its card.

    Parameters
    ----------
    card : CheckpointCard
        What it is.
    network : SegmentationNetwork or HeldNetwork
        Its network, put into evaluation mode; or one that is built when it is asked for.
    path : Path, optional
        The file that it was read from.

    Attributes
    ----------
    source : str or None
        What the user calls it, where that is not the file: a name or an address.
    notes : tuple of str
        What was assumed when it was fetched.
    """

    def __init__(
        self,
        card: CheckpointCard,
        network: SegmentationNetwork | HeldNetwork,
        path: Path | None = None,
    ) -> None:
        self.card = card
        self._held = network if isinstance(network, HeldNetwork) else HeldNetwork(network.eval())
        self.path = path
        self.source: str | None = None
        self.notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called: by the user, by its file, or by its architecture."""
        return self.source or str(self.path or self.card.architecture)

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """Names and colours, in the order of the labels."""
        return tuple(LabelClass(entry.name, entry.colour) for entry in self.card.classes)

    @property
    def mpp(self) -> float | None:
        """µm per pixel that the network was trained at."""
        return self.card.mpp

    @property
    def scale(self) -> float | None:
        """Size of the pictures that it was trained on, 0.5 for half; None for their own.

        It says nothing that µm per pixel do not say better where they are known.
        """
        scale = self.card.training.get("scale")
        known = isinstance(scale, int | float) and math.isfinite(scale) and scale > 0
        return float(scale) if known and scale != 1 else None  # type: ignore[arg-type]

    @property
    def network(self) -> SegmentationNetwork:
        """Its network, in evaluation mode.

        Whoever has it may change it, so nothing that was kept of it is used from now on.
        """
        return self._held.hand_out()

    @property
    def unchanged_network(self) -> SegmentationNetwork:
        """Its network, for those who leave it as it is."""
        return self._held.look_at()

    @property
    def identity(self) -> str | None:
        """Its digest, if what is computed of the network may be kept under it.

        None for a network that does not come from a file, comes from another package, or was
        handed out, as it may be changed without notice.
        """
        return None if self._held.facts is None else self._held.facts.sha256

    @property
    def input_multiple(self) -> int:
        """Heights and widths that the network takes are multiples of this."""
        return (self._held.facts or self.unchanged_network).input_multiple

    @property
    def turnable(self) -> bool:
        """Whether the network may see pictures turned by 90°."""
        return (self._held.facts or self.unchanged_network).turnable

    @cached_property
    def sha256(self) -> str:
        """Digest of the weights and of whatever else decides what labels come out."""
        return self.identity or digest(self.card, self.unchanged_network)

    def preprocess(self, pixels: Tensor | npt.NDArray[np.uint8]) -> Tensor:
        """Normalise pixels to the input of the network.

        Parameters
        ----------
        pixels : ndarray or Tensor
            uint8 ``(B, H, W, 3)``, RGB.

        Returns
        -------
        Tensor
            float32 ``(B, 3, H, W)``, in the channel order that the network was trained with.

        Examples
        --------
        >>> import numpy as np
        >>> from wsiseg.models import create_model
        >>> card = CheckpointCard(
        ...     architecture="espnet-c",
        ...     classes=(ClassEntry(name="stroma", colour=(255, 0, 0)),),
        ... )
        >>> checkpoint = Checkpoint(card, create_model("espnet-c", classes=1))
        >>> x = checkpoint.preprocess(np.zeros((1, 16, 24, 3), np.uint8))
        >>> x.shape, checkpoint.network(x).shape
        (torch.Size([1, 3, 16, 24]), torch.Size([1, 1, 16, 24]))
        """
        import torch

        # Arrays are copied: Pillow's, for one, are read-only, which PyTorch warns of.
        given = pixels if isinstance(pixels, torch.Tensor) else torch.tensor(pixels)
        return self.card.normalisation.apply(given)

    def save(self, path: Path | str, int8_form: Int8Form | None = None) -> Path:
        """Write the checkpoint; the file appears whole or not at all.

        Parameters
        ----------
        path : path-like
            A ``.safetensors`` file; its folder is made.
        int8_form : Int8Form, optional
            What the file is to carry beside the weights.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        import torch
        from safetensors.torch import save_file

        path = Path(path)
        unfinished = path.with_name(path.name + ".partial")
        tensors = {k: v.contiguous() for k, v in self.unchanged_network.state_dict().items()}
        header = {HEADER_KEY: self.card.model_dump_json()}
        if int8_form is not None:
            tensors |= {k: torch.tensor(v) for k, v in int8_form.tensors.items()}
            header[INT8_KEY] = int8_form.note.model_dump_json()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.touch()
            rights = unfinished.stat().st_mode
            save_file(tensors, unfinished, header)
            # It leaves a file that nobody else may read.
            unfinished.chmod(rights)
            unfinished.replace(path)
        except Exception as error:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise OutputError(f"the checkpoint cannot be written: {reason(error)}", path) from error
        return path


def untrained(architecture: str, classes: int) -> Checkpoint:
    """Return a network as it is before training, with classes that are numbered.

    Parameters
    ----------
    architecture : str
        Its name.
    classes : int
        Number of classes.

    Raises
    ------
    UnknownArchitectureError
        If there is none of that name.
    """
    from wsiseg.models.registry import create_model

    entries = (ClassEntry(name=c.name, colour=c.colour) for c in numbered_classes(classes))
    card = CheckpointCard(architecture=architecture, classes=tuple(entries))
    return Checkpoint(card, create_model(architecture, classes))


def load_checkpoint(path: Path | str, *, to_train: bool = False) -> Checkpoint:
    """Read a checkpoint.

    Parameters
    ----------
    path : path-like
        A ``.safetensors`` file written by this package.
    to_train : bool
        Accept a checkpoint of which only the encoder has been trained.

    Returns
    -------
    Checkpoint
        With its network on the CPU, in evaluation mode.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged or of another kind, or its tensors do not fit.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from wsiseg.models import create_model
    >>> card = CheckpointCard(
    ...     architecture="espnet-c",
    ...     classes=(ClassEntry(name="stroma", colour=(255, 0, 0)),),
    ...     mpp=0.5,
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = Checkpoint(card, create_model("espnet-c", classes=1))
    ...     checkpoint = load_checkpoint(made.save(pathlib.Path(folder, "stroma.safetensors")))
    >>> checkpoint.mpp, [each.name for each in checkpoint.classes]
    (0.5, ['stroma'])
    """
    path = Path(path)
    card, header = read_card(path)
    network = read_network(card, header, path)
    if card.encoder_only and not to_train:
        raise CheckpointError(
            "only the encoder of this network has been trained, it labels nothing yet",
            path,
            "Train it with 'wsiseg train --init'.",
        )
    return Checkpoint(card, network, path)
