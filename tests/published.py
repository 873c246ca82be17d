"""Published files, and how they are refused."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from repetitions import repetitions
from wsiseg.errors import CheckpointError, WeightsMismatchError
from wsiseg.models import import_checkpoint, import_state
from wsiseg.models.networks.network import SegmentationNetwork

_NAMES_OF_ESPNETS_AUTHORS = (
    (r"^encoder\.down([23])\.fuse\.norm\.", r"encoder.level\1_0.bn."),
    (r"^encoder\.down([23])\.(fuse\.)?", r"encoder.level\1_0."),
    (r"^encoder\.fuse([123])\.", r"encoder.b\1."),
    (r"\.reduce\.", ".c1.conv."),
    *((rf"\.branches\.{k}\.", f".d{2**k}.conv.") for k in range(5)),
    (r"\.fuse\.(norm|act)\.", r".bn.\1."),
    (r"\.norm\.", ".bn."),
    (r"^classifier\.", "classifier.conv."),
    (r"^project3\.", "encoder.classifier.conv."),
    (r"^norm3\.", "br."),
    (r"^up3\.", "up_l3.0."),
    (r"^project2\.", "level3_C.conv."),
    (r"^merge2\.", "combine_l2_l3."),
    (r"^up2\.", "up_l2.0."),
    (r"^fuse2\.", "up_l2.1."),
    (r"^merge1\.", "conv."),
    (r"^up1\.", "classifier."),
)
"""From our names of the tensors to those in the files that ESPNet's authors published."""


def as_espnets_authors(network: SegmentationNetwork) -> dict[str, Tensor]:
    """Return the weights of an ESPNet or ESPNet-C under the names that its authors gave them."""
    found, state = {}, network.state_dict()
    # An ESPNet-C is an encoder, and theirs has no such name.
    prefix = "" if "up1.weight" in state else "encoder."
    for key, value in state.items():
        renamed = key
        for pattern, name in _NAMES_OF_ESPNETS_AUTHORS:
            renamed = re.sub(pattern, name, renamed)
        found[renamed.removeprefix(prefix)] = value
    return found


def written(tmp_path: Path, content: object, name: str = "weights.pth") -> Path:
    torch.save(content, tmp_path / name)
    return tmp_path / name


def refusal(path: Path, architecture: str = "espnet", **options: object) -> str:
    """Return the one line that says why a file cannot be imported."""
    with pytest.raises(CheckpointError) as caught:
        import_checkpoint(path, architecture, **options)
    text = str(caught.value)
    assert path.name in text
    assert "\n" not in text
    return text


def assert_exact(
    state: dict[str, torch.Tensor] | None,
    architecture: str,
    step: int = 97,
    *,
    spare: Sequence[str] = (),
) -> None:
    """Assert that no tensor is too many, too few, or of other classes; every so many is tried.

    None of `spare` is tried.  All others are in ``make test-long``; a loader that lets tensors be
    missing is noticed by either, see `test_loader_that_lets_tensors_be_missing_is_noticed`.
    """
    assert state is not None
    with pytest.raises(WeightsMismatchError, match=r"1 left over: aux\.weight"):
        import_state({**state, "aux.weight": torch.zeros(3)}, architecture)
    step = repetitions(step, 1)
    keys = [key for key in state if "num_batches_tracked" not in key and key not in spare]
    for key in (keys[0], keys[1], *keys[2::step], keys[-1]):
        with pytest.raises(CheckpointError):
            import_state({k: v for k, v in state.items() if k != key}, architecture)
    with pytest.raises(WeightsMismatchError, match="number of classes"):
        import_state(state, architecture, 7)
