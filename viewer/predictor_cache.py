"""The predictor of the checkpoint that was used last, which the next run needs not load again."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from wsiseg.models.runtimes import Predictor
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.segmentation.segmenting import make_predictor
from wsiseg.viewer.layers.preview import Report


class PredictorCache:
    """Keeps the predictor of the checkpoint that was used last."""

    def __init__(self) -> None:
        self._held: Predictor | None = None
        self._known_as: tuple[object, ...] = ()

    def load(self, source: Path | str | None, options: SegmentOptions, report: Report) -> Predictor:
        """Return the predictor of a checkpoint, and report the checkpoint.

        What an address names is fetched when it is asked for anew.

        Parameters
        ----------
        source : path-like or None
            The checkpoint as :func:`wsiseg.load_checkpoint` takes it; the default one if None.
        options : SegmentOptions
            Runtime, device, precision and threads.
        report : callable
            Receives progress, see :data:`wsiseg.viewer.layers.preview.Report`.

        Raises
        ------
        CheckpointError, RuntimeUnavailableError
            If it cannot be used.
        """
        # A training run writes better weights to the same file.
        path = None if source is None else Path(source)
        changed = path.stat().st_mtime_ns if path is not None and path.is_file() else None
        asked = (
            *(source, changed),
            *(options.runtime, options.device, options.precision, options.threads),
        )
        if self._held is None or self._known_as != asked:
            if "torch" not in sys.modules:
                # Takes a minute where the disk is slow.
                report("loading PyTorch")
                importlib.import_module("torch")
            report("loading the checkpoint")
            self._held = None
            self._held = make_predictor(source, options, report)
            self._known_as = asked
        report(self._held.checkpoint)
        return self._held
