"""Published checkpoints of other authors: one file per key layout."""

from wsiseg.models.importing.importer import guess_architecture, import_checkpoint, import_state

__all__ = ["guess_architecture", "import_checkpoint", "import_state"]
