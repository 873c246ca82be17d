"""Published files, and how they are refused."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from repetitions import repetitions
from wsiseg.errors import CheckpointError, WeightsMismatchError
from wsiseg.models import import_checkpoint, import_state


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
