"""What all tests of the networks share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from checkpoints import make_checkpoint


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small lose more by waiting for a second thread than it saves."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return a small checkpoint's file."""
    return make_checkpoint().save(tmp_path / "tissue.safetensors")
