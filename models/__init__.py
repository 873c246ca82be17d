"""Networks, checkpoints and what executes them: uint8 tiles in, uint8 labels out.

Knows layers, networks, checkpoints and runtimes; knows nothing of slides or of files of masks.
"""

from wsiseg.models.checkpoint import Checkpoint, load_checkpoint
from wsiseg.models.folding import fold, merge_paths
from wsiseg.models.importing import import_checkpoint, import_state
from wsiseg.models.registry import create_model, list_architectures

__all__ = [
    "Checkpoint",
    "create_model",
    "fold",
    "import_checkpoint",
    "import_state",
    "list_architectures",
    "load_checkpoint",
    "merge_paths",
]
