"""The main job: a slide in, a mask out.

In the order in which pixels travel:

1. `options`: the settings of a run; `keywords` are the same for type checkers.
2. `batch`: many slides.  `slide_jobs` says what is to be done with each, `executing` does it in
   this process, and `prefetching` opens the next one in the background; `cohort` records which are
   due and what became of them, `entries` those that no finished run describes.
3. `segmenting`: one slide, from the plan to the finished mask; `refusing` says what it may not
   write.
4. `plan`: what is analysed at which resolution (`target`), by which tiles (`covering`), in which
   colours (`colouring`), within which memory (`memory`); `suitability` says where slide and
   checkpoint do not fit each other.  `fastest` chooses the precision, if that is asked for.
5. `job`: all of this together, which nothing changes any more.
6. `resuming`: what an interrupted run has left, and what is still to be done.
7. `streaming`: tiles are read, predicted and stitched to bands; the one core that scoring and the
   viewer's field of view share.
8. `run_stats`: counts tiles, pixels, seconds and warnings; `listener` receives them as events.
9. `finishing`: pyramid, image, and the files beside the mask; `provenance` tells what that
   depends on.

Beside it stands `quantising`: a network in int8, calibrated on `tissue_blocks` of slides.

Files of masks are written by :mod:`wsiseg.store`.
"""
