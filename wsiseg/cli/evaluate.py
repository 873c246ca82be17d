"""``wsiseg evaluate``: how good a checkpoint is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wsiseg.cli.options import AsJson, Debug, Quiet
from wsiseg.cli.printing import echo, print_json
from wsiseg.cli.settings_options import options_from
from wsiseg.errors import ArgumentError
from wsiseg.training.data_options import DataOptions
from wsiseg.training.options import EvaluateOptions


@options_from(DataOptions, EvaluateOptions)
def evaluate(
    chosen: dict[str, Any],
    further: Annotated[
        list[str] | None,
        typer.Argument(metavar="CHECKPOINT", help="Further checkpoints to `compare`."),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "-c",
            "--checkpoint",
            metavar="NAME|FILE|URL",
            help="The checkpoint to score, as segment takes it.",
            show_default=False,
        ),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FILE|URL",
            help="Another checkpoint to score on the same data, with the differences; more may "
            "follow it. Without `checkpoint` the first of them is the reference.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Folder for scores.json, scores.csv, pictures.csv, confusion.png, overlays of the "
            "worst pictures, and, with `compare`, comparison.json and comparison.csv.",
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score a checkpoint, or several and compare them."""
    data, options = DataOptions.select(chosen), EvaluateOptions.select(chosen)
    names = _read_checkpoints(checkpoint, compare or [], further or [])
    if data.instances is None and (options.objects is not None or options.smallest):
        raise ArgumentError("scoring objects takes masks that number them", "`instances`")
    # Settings of the run are checked before torch is loaded.
    _ = options.segment

    from wsiseg.checkpoints import take_checkpoint
    from wsiseg.cli.comparison_table import describe_comparison
    from wsiseg.cli.training_progress import ConsoleTrainingListener, describe_scores
    from wsiseg.training import open_data, score, score_each, write_comparison, write_scores
    from wsiseg.training.evaluating import colours_of
    from wsiseg.training.worst_pictures import (
        FOLDER,
        WorstPictures,
        folder_names,
        write_worst,
    )

    listener = ConsoleTrainingListener(quiet=quiet)
    try:
        loaded = [take_checkpoint(name, began=listener.began) for name in names]
        samples = open_data(data, validation=True, classes=loaded[0].classes)
        called = [each.name for each in loaded]
        worst = None if output is None else [WorstPictures(options.worst) for _ in loaded]
        if compare:
            scores = score_each(loaded, called, samples, options, listener, worst=worst)
        else:
            scores = score(
                loaded[0], samples, options, listener, worst=None if worst is None else worst[0]
            )
    finally:
        listener.stop()
    if output is not None:
        (write_comparison if compare else write_scores)(scores, output)
    if output is not None and worst is not None:
        kept = dict(zip(folder_names(called), worst, strict=True))
        write_worst(kept, output, tuple(scores["class_iou"]), colours_of(samples, loaded[0]))
    if as_json:
        print_json(scores)
    else:
        echo(*(describe_comparison if compare else describe_scores)(scores))
        if output is not None:
            files = ["scores.json", "scores.csv", "pictures.csv", "confusion.png"]
            if compare:
                files = ["comparison.json", "comparison.csv", *files]
            echo("", f"scores      {', '.join(str(output / name) for name in files)}")
            if options.worst:
                each = ", a folder for each checkpoint" if compare else ""
                echo(f"overlays    {output / FOLDER}{each}: true, found and wrong, the worst first")


def _read_checkpoints(checkpoint: str | None, compare: list[str], further: list[str]) -> list[str]:
    """Return the checkpoints to score, the reference first."""
    if further and not compare:
        raise ArgumentError(
            "an argument that belongs to no option",
            further[0],
            "Name the checkpoint to score with `checkpoint`, and others with `compare`.",
        )
    names = [] if checkpoint is None else [checkpoint]
    names += [*compare, *further]
    if not names:
        raise ArgumentError("no checkpoint is named", "`checkpoint`", "Name what is to be scored.")
    if compare and len(names) < 2:
        raise ArgumentError(
            "a comparison needs two checkpoints",
            names[0],
            "Name another after it, or the reference with `checkpoint`.",
        )
    return names
