"""Networks, checkpoints and what executes them: uint8 tiles in, uint8 labels out.

Knows layers, networks, checkpoints and runtimes; knows nothing of slides or of files of masks.
The public names stand in ``__init__.pyi``; each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
