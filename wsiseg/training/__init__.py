"""Training and evaluation: annotated pictures and slides in, checkpoints and scores out.

The public names stand in ``__init__.pyi``; each is imported when it is first used.
"""

import lazy_loader

from wsiseg.errors import RuntimeUnavailableError

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    try:
        return _load(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "lightning":
            raise
        raise RuntimeUnavailableError(
            "lightning is not installed", None, "Run: pip install 'wsiseg[train]'."
        ) from error
