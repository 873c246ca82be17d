"""Whole-slide segmentation: slides in, multiscale masks out, tile by tile, without seams.

The public names stand in ``__init__.pyi``; each is imported when it is first used, so that
``import wsiseg`` and ``wsiseg --help`` do not wait for torch.
"""

import lazy_loader

from wsiseg.clone import import_rooms_from_this_clone

import_rooms_from_this_clone()

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
