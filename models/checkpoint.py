"""Checkpoints: weights with everything that a run needs to know about them.

One ``.safetensors`` file.  Its text header holds the key ``wsiseg`` with the JSON of
:class:`CheckpointCard`.  Reading one never runs code.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from wsiseg.classes import LONGEST_NAME, LabelClass, check_class_name
from wsiseg.error_translation import reason, translate_errors
from wsiseg.errors import (
    ArgumentError,
    CheckpointError,
    OutputError,
    UnknownArchitectureError,
)
from wsiseg.models.networks.network import SegmentationNetwork
from wsiseg.models.normalisation import Normalisation
from wsiseg.models.registry import create_model
from wsiseg.models.weight_files import WeightsHeader, parse_json, read_header, shorten
from wsiseg.models.weights import compare_shapes, load_strictly

HEADER_KEY = "wsiseg"

_REAL = ("F16", "BF16", "F32", "F64")
"""What the format calls the kinds of numbers that weights may be."""

ClassName = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(check_class_name)]
_Byte = Annotated[int, Field(ge=0, le=255)]
_Name = Annotated[str, Field(max_length=LONGEST_NAME)]


class ClassEntry(BaseModel):
    """Name and colour of one class; its index is its place in the list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassName
    colour: tuple[_Byte, _Byte, _Byte]


class CheckpointCard(BaseModel):
    """Metadata that is saved beside the weights.

    Attributes
    ----------
    format : int
        Version of this header.
    architecture, arguments
        What :func:`wsiseg.models.create_model` takes.
    classes : tuple of ClassEntry
        In the order of the logits' channels.
    mpp : float or None
        µm per pixel of the training images; None for pictures of everyday scenes.
    normalisation : Normalisation
        From 8-bit RGB to the network's input.
    encoder_only : bool
        Whether only the encoder has been trained, to start a training from.  The classes then mean
        nothing.
    training, metrics : dict
        Where the weights come from and how they score, as far as it is known.
    """

    # A score may be NaN, for a class that no test picture holds.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    format: Literal[1] = 1
    architecture: _Name
    arguments: Annotated[dict[_Name, bool | int | float | _Name], Field(max_length=64)] = {}
    classes: Annotated[tuple[ClassEntry, ...], Field(min_length=1, max_length=255)]
    mpp: Annotated[float, Field(ge=1e-3, le=1e4, allow_inf_nan=False)] | None = None
    normalisation: Normalisation = Normalisation()
    encoder_only: bool = False
    training: dict[str, object] = {}
    metrics: dict[str, float] = {}


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
    """

    def __init__(
        self, card: CheckpointCard, network: SegmentationNetwork, path: Path | None = None
    ) -> None:
        self.card = card
        self.network = network.eval()
        self.path = path

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
    header = _read_header(path)
    card = _read_card(header.metadata, path)
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


def is_checkpoint(path: Path) -> bool:
    """Tell whether a file has the header of a checkpoint of this package, damaged or not."""
    try:
        return HEADER_KEY in read_header(path).metadata
    except (ValueError, OSError):
        return False


def _read_header(path: Path) -> WeightsHeader:
    if path.is_dir():
        raise CheckpointError("this is a folder, not a checkpoint", path, _suggest(path))
    if not path.is_file():
        raise CheckpointError("there is no such checkpoint", path, "Check the path.")
    with translate_errors(lambda _: _no_checkpoint(path)):
        return read_header(path)


def _read_card(metadata: dict[str, str], path: Path) -> CheckpointCard:
    if HEADER_KEY not in metadata:
        raise CheckpointError(
            "the file holds weights, but not what a run needs to know about them",
            path,
            "Turn published weights into a checkpoint with 'wsiseg models import'.",
        )
    try:
        card = CheckpointCard.model_validate_json(metadata[HEADER_KEY])
        parse_json(metadata[HEADER_KEY])
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{shorten(str(part))}: " for part in first["loc"][:4])
        raise CheckpointError(
            f"the checkpoint's header is invalid: {place}{shorten(first['msg'], 120)}", path
        ) from error
    except ValueError as error:
        raise CheckpointError(f"the checkpoint's header is invalid: {error}", path) from error
    return card


def _read_tensors(path: Path) -> dict[str, Tensor]:
    with translate_errors(lambda _: _no_checkpoint(path)), safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def _no_checkpoint(path: Path) -> CheckpointError:
    return CheckpointError(
        "this is no .safetensors checkpoint", path, _suggest(path.parent, path.suffix)
    )


def _suggest(folder: Path, ending: str = "") -> str:
    """Return what may be meant: a training leaves its checkpoint beside what it goes on with."""
    there = sorted(folder.glob("*.safetensors"))
    if ending in ("", ".ckpt") and len(there) == 1:
        return f"Did you mean {there[0]}?"
    if ending:
        return "Published .pth files go through 'wsiseg models import' first."
    return "Name a .safetensors file."
