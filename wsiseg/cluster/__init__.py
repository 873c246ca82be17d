"""The main job on many processes or machines, by dask.distributed.

The driver, which is the process that the user started, makes the plan, keeps the journal, builds
the pyramid and writes the metadata; workers take tiles through their networks and write whole
shards.  Plan, order and bits are those of one process.

In the order in which work travels:

1. `options`: which scheduler, or how many local workers.
2. `connecting`: a cluster that can do the work, checked; `local` starts one on this machine.
3. `cutting`: a slide is cut into runs of whole bands.
4. `orders`: what a worker needs of a run, small and checked.
5. `desk`: hands an order to every free worker, hears what they say, notices who is lost.
6. `bench`: a worker's one compiled network and its open slide; `working` carries out an order, and
   `messages` are what it says meanwhile.
7. `bands` fills one slide with runs of bands as tasks; `slides` has slides as tasks; `executing`
   takes whichever suits the work.  `choosing` asks a worker what runs the network there.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
