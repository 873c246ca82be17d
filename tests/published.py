"""Published files, and how they are refused."""

from pathlib import Path

import pytest
import torch

from wsiseg.errors import CheckpointError
from wsiseg.models import import_checkpoint


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
