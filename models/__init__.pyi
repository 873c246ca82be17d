from .checkpoint import Checkpoint as Checkpoint
from .checkpoint import load_checkpoint as load_checkpoint
from .folding import fold as fold
from .folding import merge_paths as merge_paths
from .importing import import_checkpoint as import_checkpoint
from .importing import import_state as import_state
from .registry import create_model as create_model
from .registry import list_architectures as list_architectures
