"""The bundled demonstration: a checkpoint and a slide to try it on."""

from wsiseg.demo.checkpoint import CHECKPOINT, demonstration_checkpoint

__all__ = ["CHECKPOINT", "demonstration_checkpoint"]
