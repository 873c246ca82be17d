"""Where a checkpoint comes from: a name, a file or an address in, a local file and a network out.

``sources`` tells the three apart, ``addresses`` reads an address and keeps its secrets,
``fetching`` and ``hub`` bring what it names to the disk, ``verifying`` looks at it, ``cache``
keeps it, ``refusals`` say why there is nothing, ``loading`` hands it out.
The public names stand in ``__init__.pyi``; each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
