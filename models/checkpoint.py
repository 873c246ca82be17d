"""Checkpoints: weights with everything that a run needs to know about them.

One ``.safetensors`` file, see :mod:`wsiseg.models.card`.  Reading one never runs code.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from wsiseg.classes import LabelClass
from wsiseg.error_translation import reason, translate_errors
from wsiseg.errors import (
    ArgumentError,
    CheckpointError,
    OutputError,
    UnknownArchitectureError,
)
from wsiseg.models.card import HEADER_KEY, CheckpointCard, ClassEntry, no_checkpoint, read_card
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.registry import create_model
from wsiseg.models.weights import compare_shapes, load_strictly

__all__ = ["Checkpoint", "CheckpointCard", "ClassEntry", "load_checkpoint"]

_REAL = ("F16", "BF16", "F32", "F64")
"""What the format calls the kinds of numbers that weights may be."""


class Checkpoint:
    """A trained network with its card.

    Parameters
    ----------
    card : CheckpointCard
        What it is.
    network : SegmentationNetwork
        Its network; put into evaluation mode.
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
        self, card: CheckpointCard, network: SegmentationNetwork, path: Path | None = None
    ) -> None:
        self.card = card
        self.network = network.eval()
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

    @cached_property
    def sha256(self) -> str:
        """Digest of the weights and of whatever else decides what labels come out."""
        deciding = {"architecture", "arguments", "classes", "normalisation"}
        digest = hashlib.sha256(self.card.model_dump_json(include=deciding).encode())
        for key, value in sorted(self.network.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.contiguous().cpu().numpy().tobytes())
        return digest.hexdigest()

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
        # Arrays are copied: Pillow's, for one, are read-only, which PyTorch warns of.
        given = pixels if isinstance(pixels, Tensor) else torch.tensor(pixels)
        return self.card.normalisation.apply(given)

    def save(self, path: Path | str) -> Path:
        """Write the checkpoint; the file appears whole or not at all.

        Parameters
        ----------
        path : path-like
            A ``.safetensors`` file; its folder is made.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        path = Path(path)
        unfinished = path.with_name(path.name + ".partial")
        tensors = {k: v.contiguous() for k, v in self.network.state_dict().items()}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, unfinished, {HEADER_KEY: self.card.model_dump_json()})
            unfinished.replace(path)
        except Exception as error:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise OutputError(f"the checkpoint cannot be written: {reason(error)}", path) from error
        return path


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
    try:
        # Without memory for weights: what is built for a file has to fit it first.
        with torch.device("meta"):
            wanted = create_model(card.architecture, len(card.classes), **card.arguments)
        real = {key for key, dtype in header.dtypes.items() if dtype in _REAL}
        compare_shapes(wanted, header.shapes, real, path)
        network = create_model(card.architecture, len(card.classes), **card.arguments)
    except (ArgumentError, UnknownArchitectureError) as error:
        raise CheckpointError(
            f"the checkpoint's network cannot be built: {error.what}", path, error.hint
        ) from error
    load_strictly(network, _read_tensors(path), path)
    if card.encoder_only and not to_train:
        raise CheckpointError(
            "only the encoder of this network has been trained, it labels nothing yet",
            path,
            "Train it with 'wsiseg train --init'.",
        )
    return Checkpoint(card, network, path)


def _read_tensors(path: Path) -> dict[str, Tensor]:
    with translate_errors(lambda _: no_checkpoint(path)), safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
