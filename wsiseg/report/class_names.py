"""Names of the classes of unfinished runs, whose journals only know the checkpoint's digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from wsiseg.demo.checkpoints import bundled_checkpoints
from wsiseg.models.checkpoint import load_checkpoint
from wsiseg.report.runs import Run


def name_classes(runs: Sequence[Run]) -> list[Run]:
    """Return runs, unfinished ones with what is known of their checkpoint.

    Another run of the folder tells, which was made with the same checkpoint, or that checkpoint
    is a bundled one.  Otherwise nothing on the disk says which it was.

    Parameters
    ----------
    runs : sequence of Run
        Of a folder.
    """
    known = {
        run.identity["checkpoint"]: run.part("checkpoint")
        for run in runs
        if run.content is not None and isinstance(run.identity.get("checkpoint"), str)
    }
    bundled: dict[str, Mapping[str, Any]] = {}
    named = list(runs)
    for place, run in enumerate(runs):
        digest = run.identity.get("checkpoint")
        if run.content is None and isinstance(digest, str):
            if digest not in known and not bundled:
                bundled = _bundled()
            checkpoint = known.get(digest) or bundled.get(digest) or {}
            named[place] = replace(run, checkpoint=checkpoint)
    return named


def _bundled() -> dict[str, Mapping[str, Any]]:
    """Return the cards of the bundled checkpoints by digest, as run files hold them."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, path in bundled_checkpoints().items():
        checkpoint = load_checkpoint(path)
        card = checkpoint.card.model_dump(mode="json")
        found[checkpoint.sha256] = {"path": str(path), "source": name, **card}
    return found
