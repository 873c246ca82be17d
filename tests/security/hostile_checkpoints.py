"""A dozen files that are handed out as checkpoints, and mean harm."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from checkpoints import make_checkpoint
from wsiseg.models.card import HEADER_KEY

CARD = make_checkpoint().card.model_dump(mode="json")


class Evil:
    """Writes a file as soon as it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch pwned",)


def with_card(path: Path, **changes: object) -> None:
    save_file({"a": torch.zeros(3)}, path, {HEADER_KEY: json.dumps(CARD | changes)})


def with_header(path: Path, header: bytes, length: int | None = None) -> None:
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header)


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"a": Evil()}))


def legacy(path: Path) -> None:
    torch.save({"state_dict": Evil()}, path, _use_new_zipfile_serialization=False)


def zipped(path: Path) -> None:
    torch.save({"a": torch.zeros(3), "b": Evil()}, path)


def scripted(path: Path) -> None:
    """Write an archive whose members lie outside of it, and hold code."""
    kept = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, kept)
    with zipfile.ZipFile(kept) as plain, zipfile.ZipFile(path, "w") as packed:
        for member in plain.infolist():
            packed.writestr(member, plain.read(member))
        packed.writestr("../../pwned", "evil")
        packed.writestr("archive/code/__torch__.py", "import os; os.system('touch pwned')")


def many_tensors(path: Path) -> None:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = {f"t{number}": entry for number in range(25_000)}
    with_header(
        path, json.dumps({"__metadata__": {HEADER_KEY: json.dumps(CARD)}, **header}).encode()
    )


def overlapping(path: Path) -> None:
    """Write tensors of which each is nearly the whole of a file that has no bytes on the disk."""
    size = 3 * 10**9
    network = make_checkpoint().network.state_dict()
    header = {
        name: {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]} for name in network
    }
    with_header(
        path, json.dumps({"__metadata__": {HEADER_KEY: json.dumps(CARD)}, **header}).encode()
    )
    os.truncate(path, path.stat().st_size + size)


CHECKPOINTS: dict[str, Callable[[Path], None]] = {
    "pickle.safetensors": pickled,
    "legacy.pth": legacy,
    "zipped.pth": zipped,
    "outside.pth": scripted,
    "claims.safetensors": lambda path: with_header(path, b"{}", 2**63),
    "nested.safetensors": lambda path: with_header(path, b'{"a":' * 1_500_000),
    "many.safetensors": many_tensors,
    "overlapping.safetensors": overlapping,
    "huge.safetensors": lambda path: with_card(path, arguments={"alpha3": 10**9}),
    "outside.safetensors": lambda path: with_card(path, architecture="../../evil:os.system"),
    "terminal.safetensors": lambda path: with_card(
        path, classes=[{"name": "\x1b]0;evil\x07", "colour": [0, 0, 0]}]
    ),
    "training.safetensors": lambda path: with_card(path, training={"a": ["\x1b[31m" * 9] * 50_000}),
}
