"""Published checkpoints of other authors: one file per key layout."""

from wsiseg.models.importing.importer import import_checkpoint, import_state

__all__ = ["import_checkpoint", "import_state"]
