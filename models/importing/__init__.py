"""Published checkpoints of other authors: one file per key layout."""

from wsiseg.models.importing.guessing import guess_architecture
from wsiseg.models.importing.importer import import_checkpoint, import_state

__all__ = ["guess_architecture", "import_checkpoint", "import_state"]
