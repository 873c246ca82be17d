"""Writes networks for other programs, and checks what was written."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from wsiseg.error_translation import translate_errors
from wsiseg.errors import (
    ArgumentError,
    OutputError,
    OutputExistsError,
    RuntimeUnavailableError,
)
from wsiseg.models.card import CheckpointCard
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.models.cloning import clone
from wsiseg.models.exporting.format import Bytes, ModelFormat
from wsiseg.models.exporting.formats import MODEL_FORMATS
from wsiseg.models.folding import fold
from wsiseg.models.outputs import Output
from wsiseg.models.tile_network import TileNetwork

_AGREEMENT = 0.999
"""Share of pixels whose labels a written file has to give as the original does."""


@dataclass(frozen=True)
class ModelExport:
    """What an export has written.

    Attributes
    ----------
    output : Path
        The file.
    bytes : int
        Size of all its files.
    max_abs_difference : float
        Of the probability of any class at any pixel of the checked tiles, to that of the
        original; probabilities come in steps of 1/255.
    label_agreement : float
        Share of their pixels whose label is the original's.
    """

    output: Path
    bytes: int
    max_abs_difference: float
    label_agreement: float


def export_model(
    checkpoint: Checkpoint,
    to: str,
    output: Path | str,
    tiles: Bytes,
    *,
    overwrite: bool = False,
    began: Callable[[str], None] | None = None,
) -> ModelExport:
    """Write a checkpoint's network for other programs, and check it against the original.

    Parameters
    ----------
    checkpoint : Checkpoint
        The network with its card.
    to : str
        The format: ``onnx``, ``openvino``, ``torchscript``, ``torch-export``.
    output : path-like
        The file.
    tiles : ndarray
        uint8 ``(B, H, W, 3)``, RGB: what it is checked on.  The file takes batches of this shape.
    overwrite : bool
        Whether existing files are replaced.
    began : callable, optional
        Told what is done, once it is sure that it can be.

    Returns
    -------
    ModelExport
        The file, and how it differs from the original.

    Raises
    ------
    ArgumentError
        If there is no such format, the file's name has another ending, or the tiles do not fit the
        network's input multiple.
    RuntimeUnavailableError
        If what the format needs is not installed, or cannot take the network.
    OutputExistsError, OutputError
        If the file exists, cannot be written, or does not label as the original does.
    """
    form = MODEL_FORMATS.find(to, "`to`")
    output = Path(output)
    _check(form, to, output, overwrite=overwrite)
    _check_edges(tiles.shape[1:3], checkpoint.network.input_multiple)
    card = checkpoint.card
    both: tuple[Output, ...] = ("labels", "probabilities")
    original = TileNetwork(checkpoint.network, card.normalisation, both).eval()
    folded = TileNetwork(fold(checkpoint.network), card.normalisation, both).eval()
    if began is not None:
        began(f"writing {output.name}, and running it")
    with _folder_beside(output) as folder:
        unfinished = folder / output.name
        with translate_errors(
            lambda why: RuntimeUnavailableError(f"{to} cannot take the network: {why}", output)
        ):
            form.write(
                clone(folded).requires_grad_(False), tiles, unfinished, describe(card, tiles.shape)
            )
            found = form.run(unfinished, tiles)
        difference, agreement = _compare(original, tiles, found)
        if agreement < _AGREEMENT:
            raise OutputError(
                f"{to} labels {1 - agreement:.1%} of the pixels differently from the original",
                output,
                "Nothing was written; try another format.",
            )
        size = _move(folder, output)
    return ModelExport(output, size, difference, agreement)


def describe(card: CheckpointCard, shape: tuple[int, ...]) -> Mapping[str, str]:
    """Return what a stranger needs to know of a file with a network.

    Parameters
    ----------
    card : CheckpointCard
        Of the network.
    shape : tuple of int
        ``(B, H, W, 3)`` of its input.
    """
    entries = [{"name": entry.name, "colour": list(entry.colour)} for entry in card.classes]
    about = {
        "architecture": card.architecture,
        "classes": json.dumps(entries),
        "mpp": "" if card.mpp is None else f"{card.mpp:g}",
        "input": f"tiles: uint8 {list(shape)}, batch, height, width, RGB; normalised inside",
        "output": "labels: uint8, batch, height, width, the index of the class, 255 for none; "
        "probabilities: uint8, batch, class, height, width, 255 for 1",
        "description": card.description,
        "licence": card.licence,
        "citation": card.citation,
    }
    return {f"wsiseg.{key}": value for key, value in about.items() if value}


def _check(form: type[ModelFormat], to: str, output: Path, *, overwrite: bool) -> None:
    missing = [name for name in form.packages if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeUnavailableError(
            f"{', '.join(missing)} is not installed",
            "`to`",
            f"Run: pip install 'wsiseg[{form.extra}]'.",
        )
    if output.suffix.lower() != form.suffix:
        raise ArgumentError(
            f"the name of {to} files must end with {form.suffix}", f"`output` {output.name}"
        )
    if not output.parent.is_dir():
        raise OutputError("there is no such folder", output.parent)
    if output.is_dir():
        raise OutputError("a folder has the name of the output", output, "Choose another `output`.")
    if output.exists() and not overwrite:
        raise OutputExistsError("the output already exists", output, "`overwrite` replaces it.")


def _check_edges(edges: tuple[int, ...], multiple: int) -> None:
    for edge in edges:
        if edge % multiple:
            below = edge // multiple * multiple
            raise ArgumentError(
                f"tiles of {edge} pixels are not a multiple of {multiple}, as the network wants",
                "`tile`",
                f"Use {below} or {below + multiple}." if below else f"Use {multiple}.",
            )


def _compare(
    original: TileNetwork, tiles: Bytes, found: Mapping[str, Bytes]
) -> tuple[float, float]:
    with torch.inference_mode():
        labels, probabilities = (each.numpy() for each in original(torch.from_numpy(tiles)))
    differences = np.abs(found["probabilities"].astype(np.int16) - probabilities)
    return float(differences.max() / 255), float((found["labels"] == labels).mean())


@contextmanager
def _folder_beside(output: Path) -> Iterator[Path]:
    """Make a folder on the disk of the output, which vanishes with what is left in it."""
    with ExitStack() as stack:
        with _writing(output):
            folder = TemporaryDirectory(dir=output.parent, prefix=f".{output.stem}.")
        yield Path(stack.enter_context(folder))


def _move(folder: Path, output: Path) -> int:
    """Move what was written to where it belongs, the file that is opened last."""
    size = 0
    files = sorted(folder.iterdir(), key=lambda file: file.name == output.name)
    with _writing(output):
        for file in files:
            size += file.stat().st_size
            file.replace(output.with_name(file.name))
    return size


def _writing(output: Path) -> AbstractContextManager[None]:
    return translate_errors(
        lambda why: OutputError(f"the network cannot be written: {why}", output)
    )
