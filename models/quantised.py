"""The int8 form of a network, which a checkpoint's file carries beside the weights.

It is a graph of numbers in bytes that a runtime takes, with the ranges that calibration found.
Reading one never runs code, and needs no torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import safe_open

from wsiseg.error_translation import translate_errors
from wsiseg.errors import CheckpointError, RuntimeUnavailableError
from wsiseg.models.weight_files import WeightsHeader, read_header

if TYPE_CHECKING:
    from wsiseg.models.checkpoint import Checkpoint

INT8_KEY = "wsiseg.int8"
"""Of the note in the header of the file."""

_GRAPH, _CONSTANTS = "int8.graph", "int8.constants"
INT8_TENSORS = (_GRAPH, _CONSTANTS)
"""Names under which the file holds the graph, beside the weights."""

INT8_SUFFIX = ".int8.safetensors"
"""What follows the checkpoint's stem in the name of the file that is looked for beside it."""

_AGAIN = "Make it again with 'wsiseg models quantize'."

_Share = Annotated[float, Field(ge=0, le=1)]
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Int8Note(BaseModel):
    """What is known of an int8 form.

    Attributes
    ----------
    format : int
        Version of this note.
    checkpoint : str
        Digest of the checkpoint that it was made of, :attr:`.Checkpoint.sha256`.
    graph : str
        Digest of its graph and constants.
    runtime : str
        What takes it.
    label_agreement : float
        Share of pixels whose label was that of fp32, on tiles that were not calibrated on.
    speedup : float
        Time of fp32 over its time, on the machine that made it.
    kept : int
        Layers that stayed in fp32 because of what they cost in agreement.
    calibration : tuple of str
        Names of the slides.
    versions : dict of str to str
        Of what made it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    checkpoint: _Digest
    graph: _Digest
    runtime: Annotated[str, Field(pattern="^[a-z][a-z0-9_-]{0,39}$")] = "openvino"
    label_agreement: _Share
    speedup: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    kept: Annotated[int, Field(ge=0)] = 0
    calibration: Annotated[tuple[str, ...], Field(max_length=10_000)] = ()
    versions: dict[str, str] = {}


@dataclass(frozen=True)
class Int8Form:
    """An int8 form, as it lies in a file.

    Attributes
    ----------
    note : Int8Note
        What is known of it.
    graph, constants : bytes
        What its runtime takes: what OpenVINO calls XML and BIN, or an ONNX file and nothing.  It
        has the outputs of :class:`.TileNetwork`, and takes tiles of any shape.
    """

    note: Int8Note
    graph: bytes
    constants: bytes

    @property
    def tensors(self) -> Mapping[str, npt.NDArray[np.uint8]]:
        """What the file holds beside the weights."""
        return {
            _GRAPH: np.frombuffer(self.graph, np.uint8),
            _CONSTANTS: np.frombuffer(self.constants, np.uint8),
        }


def digest_graph(graph: bytes, constants: bytes) -> str:
    """Return the digest of a graph and its constants.

    Parameters
    ----------
    graph, constants : bytes
        As :class:`Int8Form` holds them.
    """
    return hashlib.sha256(
        hashlib.sha256(graph).digest() + hashlib.sha256(constants).digest()
    ).hexdigest()


def without_int8_form(header: WeightsHeader) -> WeightsHeader:
    """Return the header of a checkpoint's file without the tensors of an int8 form."""
    if INT8_KEY not in header.metadata:
        return header
    return replace(
        header,
        shapes={k: v for k, v in header.shapes.items() if k not in INT8_TENSORS},
        dtypes={k: v for k, v in header.dtypes.items() if k not in INT8_TENSORS},
    )


def read_int8_form(path: Path) -> Int8Form | None:
    """Return the int8 form that a checkpoint's file carries, or None.

    Parameters
    ----------
    path : Path
        A checkpoint.

    Raises
    ------
    CheckpointError
        If it is damaged.
    """

    def damaged(why: str) -> CheckpointError:
        return CheckpointError(f"its int8 form is damaged: {why}", path, _AGAIN)

    with translate_errors(damaged):
        text = read_header(path).metadata.get(INT8_KEY)
    if text is None:
        return None
    try:
        note = Int8Note.model_validate_json(text)
    except ValidationError as error:
        raise damaged(str(error.errors()[0]["msg"])) from error
    with translate_errors(damaged), safe_open(path, framework="np") as file:
        graph, constants = (file.get_tensor(name).tobytes() for name in INT8_TENSORS)
    if digest_graph(graph, constants) != note.graph:
        raise damaged("its digest is another")
    return Int8Form(note, graph, constants)


def find_int8_form(checkpoint: Checkpoint, runtime: str) -> Int8Form | None:
    """Return the int8 form of a checkpoint for a runtime.

    It is looked for in the checkpoint's own file, then in the one beside it.

    Parameters
    ----------
    checkpoint : Checkpoint
        A checkpoint ``NAME.safetensors``; the file beside it is ``NAME.int8.safetensors``.
    runtime : str
        Which has to take it.

    Returns
    -------
    Int8Form or None
        None if there is none.

    Raises
    ------
    CheckpointError
        If one is damaged, or was made of other weights.
    """
    return next((form for form in _int8_forms(checkpoint) if form.note.runtime == runtime), None)


def require_int8_form(checkpoint: Checkpoint, runtime: str) -> Int8Form:
    """Return the int8 form of a checkpoint for a runtime, which has to have one.

    Parameters
    ----------
    checkpoint, runtime
        As :func:`find_int8_form` takes them.

    Raises
    ------
    RuntimeUnavailableError
        If there is none.
    CheckpointError
        As :func:`find_int8_form`.
    """
    found = find_int8_form(checkpoint, runtime)
    if found is not None:
        return found
    name, path = checkpoint.name, checkpoint.path
    others = [form.note.runtime for form in _int8_forms(checkpoint)]
    if others:
        raise RuntimeUnavailableError(
            f"the int8 form of {name} is for {others[0]}, not for {runtime}",
            "`precision`",
            f"Use `runtime={others[0]}`, or make one for {runtime} with 'wsiseg models quantize'.",
        )
    output = Path(f"{'NAME' if path is None else path.stem}{INT8_SUFFIX}")
    if path is not None and checkpoint.source is None:
        output = path.with_name(output.name)
    raise RuntimeUnavailableError(
        f"there is no int8 form of {name}",
        "`precision`",
        f"Make one with 'wsiseg models quantize --calibrate SLIDE -o {output} {name}', and "
        "give that as the checkpoint.",
    )


def _int8_forms(checkpoint: Checkpoint) -> Iterator[Int8Form]:
    path = checkpoint.path
    places = () if path is None else (path, path.with_name(path.stem + INT8_SUFFIX))
    for place in places:
        found = read_int8_form(place) if place.is_file() else None
        if found is not None:
            _check_weights(found, place, checkpoint)
            yield found


def _check_weights(form: Int8Form, path: Path, checkpoint: Checkpoint) -> None:
    if form.note.checkpoint != checkpoint.sha256:
        raise CheckpointError(
            f"the int8 form is of other weights than those of {checkpoint.name}", path, _AGAIN
        )
