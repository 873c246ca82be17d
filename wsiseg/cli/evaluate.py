"""``wsiseg evaluate``: how good a checkpoint is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wsiseg.cli.options import AsJson, Debug, Quiet
from wsiseg.cli.printing import echo, print_json
from wsiseg.cli.settings_options import options_from
from wsiseg.errors import ArgumentError
from wsiseg.training.options import DataOptions, EvaluateOptions


@options_from(DataOptions, EvaluateOptions)
def evaluate(
    checkpoint: Annotated[
        str,
        typer.Option(
            "-c",
            "--checkpoint",
            metavar="NAME|FILE|URL",
            help="What to score, as segment takes it.",
            show_default=False,
        ),
    ],
    chosen: dict[str, Any],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Folder for scores.json, scores.csv and confusion.png."
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score a checkpoint."""
    data, options = DataOptions.select(chosen), EvaluateOptions.select(chosen)
    if data.instances is None and (options.objects is not None or options.smallest):
        raise ArgumentError("objects are scored against `instances`", "`objects`, `smallest`")
    # Settings of the run are checked before torch is loaded.
    _ = options.segment

    from wsiseg.checkpoints import take_checkpoint
    from wsiseg.cli.training_progress import ConsoleTrainingListener, describe_scores
    from wsiseg.training import open_data, score, write_scores

    listener = ConsoleTrainingListener(quiet=quiet)
    try:
        loaded = take_checkpoint(checkpoint, began=listener.began)
        samples = open_data(data, validation=True)
        scores = score(loaded, samples, options, listener)
    finally:
        listener.stop()
    if output is not None:
        write_scores(scores, output)
    if as_json:
        print_json(scores)
    else:
        echo(*describe_scores(scores))
        if output is not None:
            files = ("scores.json", "scores.csv", "confusion.png")
            echo("", f"scores      {', '.join(str(output / name) for name in files)}")
