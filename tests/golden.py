"""Golden vectors: numbers that the original authors' code gave, and the inputs that led to them.

How the weights without a published file are drawn, and how pictures are cut, is told by a module
that lies beside the vectors; it is loaded from there.
"""

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Golden:
    """One file, its main output."""

    meta: dict[str, Any]
    rgb: np.ndarray
    """uint8 ``(H, W, 3)``."""
    input_sha256: str
    shape: tuple[int, ...]
    stride: int
    sampled: np.ndarray
    """Logits at every `stride`-th row and column, ``(C, h, w)``."""
    argmax: np.ndarray
    state: dict[str, Tensor] | None
    """Weights under their authors' names, where no published file holds them."""

    @property
    def pixels(self) -> Tensor:
        """The picture as a batch of one, uint8 ``(1, H, W, 3)``."""
        return torch.from_numpy(self.rgb)[None]


@cache
def _recipe(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_recipe", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=1)
def _draw(path: Path, sha256: str) -> dict[str, Tensor]:
    """Draw the weights of a file, which takes seconds for a large network."""
    recipe = _recipe(path.parent / "synth_state.py")
    arrays = recipe.load(path)
    assert recipe.digest(arrays) == sha256, "weights are drawn differently here"
    return {key: torch.from_numpy(np.array(value)) for key, value in arrays.items()}


def read_golden(data: Path, name: str, output: str = "out") -> Golden:
    """Read one file of golden vectors; of several outputs the one that is asked for."""
    path = data / "golden" / f"{name}.npz"
    recipe = _recipe(data / "golden" / "synth_state.py")
    with np.load(path) as file:
        fields = {key: file[key] for key in file.files}
    meta = json.loads(str(fields["meta"]))
    drawn = "spec" in fields
    prefix = f"{output}__" if drawn else ""
    state = None
    if drawn:
        state = dict(_draw(path, meta["state_sha256"]))
    return Golden(
        meta=meta,
        rgb=recipe.read_input(path, data),
        input_sha256=str(fields["x_sha256"]),
        shape=tuple(int(edge) for edge in fields[f"{prefix}shape"]),
        stride=int(fields[f"{prefix}stride"]),
        sampled=fields[f"{prefix}logits_sub"],
        argmax=fields[f"{prefix}argmax"],
        state=state,
    )


def digest(x: Tensor) -> str:
    """Digest a tensor's bytes, as the golden files digest the network's input."""
    return hashlib.sha256(x.contiguous().numpy().tobytes()).hexdigest()


def assert_equal(logits: np.ndarray, golden: Golden) -> None:
    """Check logits ``(C, H, W)`` against those of the file, and their labels."""
    assert logits.shape == golden.shape
    sampled = logits[:, :: golden.stride, :: golden.stride]
    assert np.abs(sampled - golden.sampled).max() <= golden.meta["atol"] <= 1e-3
    agreement = (logits.argmax(axis=0) == golden.argmax).mean()
    assert agreement >= golden.meta["argmax_min_agreement"] >= 0.9999
