"""The card of a checkpoint: what the header of its file says, read without its weights.

A ``.safetensors`` file's text header holds the key ``wsiseg`` with the JSON of
:class:`CheckpointCard`.  Nothing here needs torch, so that checkpoints are listed in a moment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from safetensors import safe_open

from wsiseg.classes import LONGEST_NAME, check_class_name
from wsiseg.error_translation import translate_errors
from wsiseg.errors import CheckpointError
from wsiseg.models.normalisation import Normalisation
from wsiseg.models.quantised import without_int8_form
from wsiseg.models.weight_files import WeightsHeader, parse_json, read_header, shorten

HEADER_KEY = "wsiseg"

_LONGEST_TEXT = 1000
"""Letters of a description, a licence or a citation."""

ClassName = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(check_class_name)]
_Byte = Annotated[int, Field(ge=0, le=255)]
_Name = Annotated[str, Field(max_length=LONGEST_NAME)]


def _check_text(text: str) -> str:
    """Return a text of one line as it is."""
    if not text.isprintable():
        raise ValueError("it holds control characters")
    return text


_Text = Annotated[str, Field(max_length=_LONGEST_TEXT), AfterValidator(_check_text)]


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
    description : str
        What the network is for, in a line; may be empty.
    licence, citation : str
        Terms of the training data, and the publication to cite; may be empty.
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
    description: _Text = ""
    licence: _Text = ""
    citation: _Text = ""


def is_checkpoint(path: Path) -> bool:
    """Tell whether a file has the header of a checkpoint of this package, damaged or not."""
    try:
        return HEADER_KEY in read_header(path).metadata
    except (ValueError, OSError):
        return False


def read_card(path: Path) -> tuple[CheckpointCard, WeightsHeader]:
    """Read what the header of a checkpoint says, and no weights.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file written by this package.

    Returns
    -------
    CheckpointCard, WeightsHeader
        The card, and names, shapes and kinds of the tensors of the weights.

    Raises
    ------
    CheckpointError
        If the file is missing or of another kind, or its header is invalid.
    """
    with translate_errors(lambda why: CheckpointError(f"the file cannot be found: {why}", path)):
        if path.is_dir():
            raise CheckpointError("this is a folder, not a checkpoint", path, _suggest(path))
        if not path.is_file():
            raise CheckpointError("there is no such checkpoint", path, "Check the path.")
    with translate_errors(lambda _: no_checkpoint(path)):
        header = read_header(path)
    return _parse_card(header.metadata, path), without_int8_form(header)


def check_whole(path: Path) -> None:
    """Raise if a file is no checkpoint of this package, or not all of one.

    Raises
    ------
    CheckpointError
        As :func:`read_card`, or if tensors are missing.
    """
    read_card(path)
    with translate_errors(lambda _: no_checkpoint(path)), safe_open(path, framework="np"):
        pass


def _parse_card(metadata: dict[str, str], path: Path) -> CheckpointCard:
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


def no_checkpoint(path: Path) -> CheckpointError:
    """Return the error for a file of another kind."""
    return CheckpointError(
        "this is not a .safetensors checkpoint", path, _suggest(path.parent, path.suffix)
    )


def _suggest(folder: Path, ending: str = "") -> str:
    """Return what may be meant: a training leaves its checkpoint beside what it goes on with."""
    there = sorted(folder.glob("*.safetensors"))
    if ending in ("", ".ckpt") and len(there) == 1:
        return f"Did you mean {there[0]}?"
    if ending:
        return "Published .pth files go through 'wsiseg models import' first."
    return "Name a .safetensors file."
