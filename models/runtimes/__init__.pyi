from .choosing import RuntimeChoice as RuntimeChoice
from .choosing import choose_runtime as choose_runtime
from .choosing import installed_runtimes as installed_runtimes
from .predictor import Predictor as Predictor
from .registry import RUNTIMES as RUNTIMES
from .runtime import Runtime as Runtime
from .runtime import RuntimeSettings as RuntimeSettings
from .runtime import TileRunner as TileRunner
