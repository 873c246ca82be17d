"""Run the command line, and send it signals when it comes to a stage.

``python signalled.py STAGE SIGNAL... -- WORDS...``: the first signal comes as the stage begins, the
others once the end is under way.
"""

import importlib
import os
import signal
import sys
import threading
import time

STAGES = {
    "opening": "wsiseg.segmentation.executing.open_job",
    "planning": "wsiseg.segmentation.segmenting.make_plan",
    "compiling": "wsiseg.models.runtimes.Predictor.prepare_runtimes",
    "bands": "wsiseg.tiling.reading.TileReader._read",
    "refining": "wsiseg.segmentation.finishing.write_refined",
    "pyramid": "wsiseg.store.masks.build_pyramid",
    "image": "wsiseg.segmentation.finishing.write_image",
    "training": "wsiseg.training.task.SegmentationTask.training_step",
}
LATE = 7
"""Calls of the stage that pass, for those that are many."""


def _send(signals, begun):
    os.kill(os.getpid(), signals[0])
    for number in signals[1:]:
        begun.wait(0.3)
        os.kill(os.getpid(), number)


def main():
    end = sys.argv.index("--")
    stage, *names = sys.argv[1:end]
    signals = [getattr(signal, name) for name in names]
    # Shells start what runs in the background with this signal ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import tiny  # noqa: F401
    from wsiseg.cli import main as run

    *path, name = STAGES[stage].split(".")
    try:
        owner = importlib.import_module(".".join(path))
    except ModuleNotFoundError:
        owner = getattr(importlib.import_module(".".join(path[:-1])), path[-1])
    original, calls = getattr(owner, name), []

    def signalled(*arguments, **settings):
        calls.append(None)
        if len(calls) == (LATE if stage in {"bands", "training"} else 1):
            begun = threading.Event()
            threading.Thread(target=_send, args=(signals, begun), daemon=True).start()
            if stage != "bands":
                # As a stage that takes long.
                for _ in range(600):
                    time.sleep(0.1)
        return original(*arguments, **settings)

    setattr(owner, name, signalled)
    run(sys.argv[end + 1 :])


if __name__ == "__main__":
    main()
