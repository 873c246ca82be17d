"""``wsiseg train``: annotated slides or pictures in, a checkpoint out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wsiseg.cli.options import AsJson, Debug, Quiet
from wsiseg.cli.printing import Json, echo, print_json
from wsiseg.cli.settings_options import options_from
from wsiseg.errors import ArgumentError
from wsiseg.training.data_options import DataOptions
from wsiseg.training.options import MACHINE_OPTIONS, TrainOptions


@options_from(DataOptions, TrainOptions, without=("instances",))
def train(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of the run.", show_default=False)
    ],
    chosen: dict[str, Any],
    init: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE|URL",
            help="Checkpoint to fine-tune, as segment takes it; where the classes differ, the last "
            "layers are replaced.",
            rich_help_panel="Network",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue after the last finished epoch."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Overwrite an existing run.")
    ] = False,
    events: Annotated[
        bool,
        typer.Option(
            "--events",
            help="Print one JSON object per line on stdout during training.",
            rich_help_panel="Output",
        ),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train or fine-tune a network."""
    if init is not None:
        chosen["init"] = init
    # A wrong word is not to wait for torch and Lightning.
    options = _read_options(chosen, output, resume=resume)

    from wsiseg.cli.events import EventTrainingListener, print_event
    from wsiseg.cli.training_progress import ConsoleTrainingListener
    from wsiseg.text import plural
    from wsiseg.training import fit
    from wsiseg.training.run_folder import RunFolder
    from wsiseg.training.trainer import is_main_process

    listener = EventTrainingListener() if events else ConsoleTrainingListener(quiet=quiet)
    try:
        result = fit(options, output, resume=resume, overwrite=overwrite, listener=listener)
    except KeyboardInterrupt as stop:
        hint = "Continue with --resume." if RunFolder(output).resumable else ""
        raise typer.Abort(hint) from stop
    finally:
        listener.stop()
    if not is_main_process():
        return
    document: Json = {
        "checkpoint": str(result.checkpoint),
        "miou": result.miou,
        "epochs": result.epochs,
        "seconds": round(result.seconds, 2),
        "warnings": list(result.warnings),
    }
    if events:
        print_event("finished", **document)
    elif as_json:
        print_json(document)
    elif not quiet:
        best = output / result.checkpoint.name
        scored = "validation" if result.validation_samples else "training"
        level = "--level 0 " if result.mpp is None else ""
        echo(f"checkpoint  {best}")
        echo(f"mean IoU    {result.miou:.4f} in {scored}, {plural(result.epochs, 'epoch')}")
        echo(f"curves      {output / 'curves.png'}")
        echo(f"To use it:  wsiseg segment SLIDE -c {best} {level}-o out/")


def _read_options(chosen: dict[str, Any], output: Path, *, resume: bool) -> TrainOptions:
    """Split the options into the settings of the data and those of the training.

    To resume without naming data, the settings of the run that stands are used.
    """
    if resume and chosen.keys().isdisjoint(("dataset", "images", "slides")):
        return _stored_options(chosen, output)
    options = TrainOptions.select({**chosen, "data": DataOptions.select(chosen)})
    if not (options.arguments or options.model):
        return options
    # Only now, as architectures are not known before torch is loaded.
    return options.replace(arguments=_parse_arguments(options))


def _stored_options(chosen: dict[str, Any], output: Path) -> TrainOptions:
    """Return the settings of the run to resume; only those of the machine may be changed."""
    from wsiseg.training.run_folder import RunFolder

    for name in chosen:
        if name not in MACHINE_OPTIONS:
            raise ArgumentError(
                "a run is resumed with the settings that it was started with",
                f"`{name}`",
                "Leave the option out, or start another run in another folder.",
            )
    return RunFolder(output).read_options().replace(**chosen)


def _parse_arguments(options: TrainOptions) -> dict[str, Any]:
    """Return the architecture's arguments with their types."""
    from wsiseg.checkpoints import find_checkpoint
    from wsiseg.models.card import read_card
    from wsiseg.models.registry import find_architecture
    from wsiseg.training.initialising import DEFAULT_ARCHITECTURE

    name = options.model
    if name is None and options.init is not None:
        card, _ = read_card(find_checkpoint(options.init)[0])
        name = card.architecture
    texts = {key: str(value) for key, value in options.arguments.items()}
    return dict(find_architecture(name or DEFAULT_ARCHITECTURE).parse(texts))
