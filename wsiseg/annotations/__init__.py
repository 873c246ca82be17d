"""Annotations of QuPath, ASAP, ImageScope, HALO and others, as labels of working pixels.

A file is read (`reading`, with a file per program), its shapes are repaired (`repairing`), placed
on the slide (`placing`), given their classes (`class_map`), and painted into pixels (`painting`).
The public names stand in ``__init__.pyi``; each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
