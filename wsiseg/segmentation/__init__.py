"""The main job: a slide in, a mask out.

In the order in which pixels travel:

1. `options`: what a user can ask of a run; `keywords` are the same for type checkers.
2. `batch`: many slides, one after the other; `slides_ahead` opens the next one in time.
3. `segmenting`: one slide, from the plan to the finished mask.
4. `memory` and `plan`: at which resolution, which tiles, within which memory.
5. `colouring`: the slide in the colours in which the network is to see it.
6. `job`: all of this together, which nothing changes any more.
7. `streaming`: tiles are read, predicted and stitched to bands.
8. `ledger`: counts what happened; `listener` is told of it.
9. `provenance`: what the mask depends on, for the run file.

Files of masks are written by :mod:`wsiseg.store`.
"""
