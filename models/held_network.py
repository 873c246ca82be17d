"""The network of a checkpoint's file, which is built when somebody asks for it.

A file that was once found sound, by the digest of its bytes, is not looked at again: what a run
has to know of its network was kept.  So a run whose compiled network was kept, too, goes without
torch.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING

from wsiseg.error_translation import translate_errors
from wsiseg.errors import ArgumentError, CheckpointError, UnknownArchitectureError
from wsiseg.models.card import CheckpointCard, no_checkpoint
from wsiseg.models.quantised import INT8_TENSORS
from wsiseg.models.runtimes.cache import Json, keep, kept
from wsiseg.models.weight_files import WeightsHeader

if TYPE_CHECKING:
    from wsiseg.models.networks.network import SegmentationNetwork

_KIND = "checkpoints"
_LARGEST = 2 * 2**30
"""Bytes of a file whose digest is taken; those of all networks here are smaller."""

_REAL = ("F16", "BF16", "F32", "F64")
"""What the format calls the kinds of numbers that weights may be."""


@dataclass(frozen=True)
class NetworkFacts:
    """What is known of a network that nobody can have changed.

    Attributes
    ----------
    sha256 : str
        Digest of the weights and of whatever else decides what labels come out.
    input_multiple : int
        Heights and widths that it takes are multiples of this.
    turnable : bool
        Whether it may see pictures turned by 90°.
    """

    sha256: str
    input_multiple: int
    turnable: bool


class HeldNetwork:
    """The network of a checkpoint, and what is known of it.

    Parameters
    ----------
    network : SegmentationNetwork, optional
        In evaluation mode, where there is one already.
    facts : NetworkFacts, optional
        None if nothing is to be kept of it.
    build : callable, optional
        Returns the network, where there is none yet.
    """

    def __init__(
        self,
        network: SegmentationNetwork | None,
        facts: NetworkFacts | None = None,
        build: Callable[[], SegmentationNetwork] | None = None,
    ) -> None:
        self._network = network
        self._build = build
        self.facts = facts

    def hand_out(self) -> SegmentationNetwork:
        """Return the network to somebody who may change it, so that no fact holds any longer."""
        self.facts = None
        return self.look_at()

    def look_at(self) -> SegmentationNetwork:
        """Return the network to somebody who leaves it as it is."""
        if self._network is None:
            assert self._build is not None
            self._network = self._build()
            # It holds the content of the file.
            self._build = None
        return self._network


def read_network(card: CheckpointCard, header: WeightsHeader, path: Path) -> HeldNetwork:
    """Return the network of a checkpoint's file.

    Parameters
    ----------
    card, header
        What :func:`wsiseg.models.card.read_card` says of it.
    path : Path
        The file.

    Raises
    ------
    CheckpointError
        If its tensors do not fit, or hold what cannot be weights.
    """
    with translate_errors(lambda _: no_checkpoint(path)), path.open("rb") as file:
        before = os.fstat(file.fileno())
        key = _key(file) if before.st_size <= _LARGEST else None
        known = None if key is None else kept(_KIND, key)
        if known is not None:
            file.seek(0)
            build = functools.partial(_build, card, path, file.read())
            return HeldNetwork(None, NetworkFacts(**json.loads(known)), build)
    _compare(card, header, path)
    network = _build(card, path, None)
    facts = None
    # Those of other packages change without a sign that could be seen here.
    if key is not None and type(network).__module__.startswith("wsiseg.models."):
        facts = NetworkFacts(digest(card, network), network.input_multiple, network.turnable)
        # The digest was taken first, and another file may have come into its place since.
        if _is_same(before, path.stat()):
            keep(_KIND, key, json.dumps(asdict(facts)).encode())
    return HeldNetwork(network, facts)


def digest(card: CheckpointCard, network: SegmentationNetwork) -> str:
    """Return the digest of a network's weights and of whatever else decides its labels.

    Parameters
    ----------
    card : CheckpointCard
        Its architecture, arguments, classes and normalisation count.
    network : SegmentationNetwork
        Its weights count.

    Returns
    -------
    str
        A SHA-256 in hexadecimal digits.
    """
    deciding = {"architecture", "arguments", "classes", "normalisation"}
    found = hashlib.sha256(card.model_dump_json(include=deciding).encode())
    for key, value in sorted(network.state_dict().items()):
        found.update(key.encode())
        found.update(value.contiguous().cpu().numpy().tobytes())
    return found.hexdigest()


def _key(file: BufferedReader) -> dict[str, Json]:
    return {"file": hashlib.file_digest(file, "sha256").hexdigest(), "torch": version("torch")}


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_ino, one.st_size, one.st_mtime_ns) == (
        other.st_ino,
        other.st_size,
        other.st_mtime_ns,
    )


def _compare(card: CheckpointCard, header: WeightsHeader, path: Path) -> None:
    """Refuse a file that does not fit its network, without memory for weights."""
    import torch

    from wsiseg.models.weights import compare_shapes

    with torch.device("meta"):
        wanted = _create(card, path)
    real = {key for key, dtype in header.dtypes.items() if dtype in _REAL}
    compare_shapes(wanted, header.shapes, real, path)


def _build(card: CheckpointCard, path: Path, content: bytes | None) -> SegmentationNetwork:
    """Return the network with the weights of a file, or of what the file held."""
    from safetensors import safe_open
    from safetensors.torch import load

    from wsiseg.models.weights import load_strictly

    network = _create(card, path)
    with translate_errors(lambda _: no_checkpoint(path)):
        if content is not None:
            state = load(content)
        else:
            with safe_open(path, framework="pt") as file:
                state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    for name in INT8_TENSORS:
        state.pop(name, None)
    load_strictly(network, state, path)
    return network.eval()


def _create(card: CheckpointCard, path: Path) -> SegmentationNetwork:
    from wsiseg.models.registry import create_model

    try:
        return create_model(card.architecture, len(card.classes), **card.arguments)
    except (ArgumentError, UnknownArchitectureError) as error:
        raise CheckpointError(
            f"the checkpoint's network cannot be built: {error.what}", path, error.hint
        ) from error
