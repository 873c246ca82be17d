"""The bundled checkpoint."""

from __future__ import annotations

from pathlib import Path

from wsiseg.models.checkpoint import Checkpoint, load_checkpoint

CHECKPOINT = Path(__file__).with_name("breast-tissue.safetensors")


def demonstration_checkpoint() -> Checkpoint:
    """Return the bundled checkpoint: ESPNet, eight breast tissues, no medical device."""
    return load_checkpoint(CHECKPOINT)
