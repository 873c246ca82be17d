"""What the package brings along: checkpoints by their names, and a slide to try them on."""

from wsiseg.demo.checkpoints import DEFAULT, announce_default, bundled_checkpoints

__all__ = ["DEFAULT", "announce_default", "bundled_checkpoints"]
