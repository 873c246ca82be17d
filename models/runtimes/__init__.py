"""What executes a network: one runtime per file behind one class."""

from wsiseg.models.runtimes.choosing import RuntimeChoice, choose_runtime, installed_runtimes
from wsiseg.models.runtimes.predictor import Predictor
from wsiseg.models.runtimes.runtime import Runtime, RuntimeSettings

__all__ = [
    "Predictor",
    "Runtime",
    "RuntimeChoice",
    "RuntimeSettings",
    "choose_runtime",
    "installed_runtimes",
]
