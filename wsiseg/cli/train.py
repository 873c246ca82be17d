"""``wsiseg train``: annotated slides or pictures in, a checkpoint out."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from wsiseg.cli import data as given
from wsiseg.cli.options import (
    AsJson,
    Debug,
    Icc,
    Quiet,
    ReaderName,
    Stain,
    StainReference,
    chosen_option,
    parse_settings,
)
from wsiseg.cli.printing import print_json, say

_NETWORK, _LEARNING, _KEPT, _MACHINE = (
    "Network",
    "Learning",
    "What is kept back",
    "Machine",
)


def train(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the training.")],
    dataset: given.DatasetName = None,
    root: given.Root = None,
    split: given.Split = None,
    images: given.Images = None,
    labels: given.Labels = None,
    slides: given.Slides = None,
    annotations: given.Annotations = None,
    class_map: given.ClassMapText = None,
    coordinates: given.CoordinatesName = "auto",
    only: given.Only = None,
    without: given.Without = None,
    reader: ReaderName = None,
    icc: Icc = False,
    stain: Stain = None,
    stain_reference: StainReference = None,
    model: Annotated[
        str | None,
        chosen_option(_NETWORK, "An architecture; that of --init, or espnet.", "--model"),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="An argument of the architecture.",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    init: Annotated[
        Path | None,
        chosen_option(_NETWORK, "Begin with a checkpoint; other classes begin anew.", "--init"),
    ] = None,
    freeze_encoder: Annotated[
        bool, chosen_option(_NETWORK, "Leave the encoder as it is.", "--freeze-encoder")
    ] = False,
    recipe: Annotated[
        str, typer.Option(help="plain, espnet or rdrnet.", rich_help_panel=_LEARNING)
    ] = "plain",
    epochs: Annotated[int | None, chosen_option(_LEARNING, "The recipe's if left out.")] = None,
    batch: Annotated[int | None, chosen_option(_LEARNING, "Tiles at a time.")] = None,
    lr: Annotated[float | None, chosen_option(_LEARNING, "Learning rate.")] = None,
    tile: Annotated[int | None, chosen_option(_LEARNING, "Tile edge in working pixels.")] = None,
    tiles: Annotated[int | None, chosen_option(_LEARNING, "Tiles per epoch.")] = None,
    mpp: given.Mpp = None,
    slide_mpp: given.SlideMpp = None,
    scale: given.Scale = None,
    augment: Annotated[
        str,
        typer.Option(help="auto, tissue, street, photometric or none.", rich_help_panel=_LEARNING),
    ] = "auto",
    balance: Annotated[
        float | None,
        chosen_option(
            _LEARNING,
            "From 0, all annotated area alike, to 1, all classes equally often; 0.5 for slides. "
            "Pictures come up in turn if left out.",
        ),
    ] = None,
    loss: Annotated[
        str,
        typer.Option(
            help="recipe, cross-entropy, cross-entropy+dice, dice or ohem.",
            rich_help_panel=_LEARNING,
        ),
    ] = "recipe",
    ema: Annotated[
        float | None, chosen_option(_LEARNING, "Decay of the averaged weights, 0 for none.")
    ] = None,
    clip: Annotated[
        float | None, chosen_option(_LEARNING, "Greatest norm of the gradient, 0 for any.")
    ] = None,
    patience: Annotated[
        int | None, chosen_option(_LEARNING, "Stop after so many scores without a better one.")
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Decides what is random.", rich_help_panel=_LEARNING)
    ] = 0,
    val_fraction: Annotated[
        float,
        typer.Option(
            help="Share of the samples, where the data name no such part.", rich_help_panel=_KEPT
        ),
    ] = 0.2,
    val_only: Annotated[
        Path | None, chosen_option(_KEPT, "A file that lists the stems instead.", "--val-only")
    ] = None,
    val_every: Annotated[
        int, typer.Option(help="Epochs between scores.", rich_help_panel=_KEPT)
    ] = 1,
    precision: Annotated[
        str, typer.Option(help="fp32, fp16 or bf16.", rich_help_panel=_MACHINE)
    ] = "fp32",
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel=_MACHINE)
    ] = "auto",
    devices: Annotated[int, typer.Option(help="How many.", rich_help_panel=_MACHINE)] = 1,
    strategy: Annotated[
        str,
        typer.Option(
            help="How several share the work, as Lightning calls it.", rich_help_panel=_MACHINE
        ),
    ] = "auto",
    workers: Annotated[int | None, chosen_option(_MACHINE, "Processes that read.")] = None,
    threads: Annotated[int | None, chosen_option(_MACHINE, "CPU threads of the network.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after the last finished epoch.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a training that stands.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train or fine-tune a network on annotated slides, masks or a public set."""
    words = dict(locals())
    # A wrong word is not to wait for torch and Lightning.
    options = _read_options(words, parse_settings(settings or []), resume=resume)

    from wsiseg.cli.learning import ConsoleTraining
    from wsiseg.training import train as fit
    from wsiseg.training.plural import plural
    from wsiseg.training.run_folder import RunFolder
    from wsiseg.training.trainer import is_main_process

    listener = ConsoleTraining(quiet=quiet)
    try:
        result = fit(options, output, resume=resume, overwrite=overwrite, listener=listener)
    except KeyboardInterrupt as stop:
        hint = "Go on with --resume." if RunFolder(output).resumable else ""
        raise typer.Abort(hint) from stop
    finally:
        listener.stop()
    if not is_main_process():
        return
    if as_json:
        print_json(
            {
                "checkpoint": str(result.checkpoint),
                "miou": result.miou,
                "epochs": result.epochs,
                "seconds": round(result.seconds, 2),
                "warnings": list(result.warnings),
            }
        )
    elif not quiet:
        best = output / result.checkpoint.name
        scored = "what was kept back" if result.kept_back else "what it learnt from"
        level = "--level 0 " if result.mpp is None else ""
        say(f"checkpoint  {best}")
        say(f"mean IoU    {result.miou:.4f} on {scored}, {plural(result.epochs, 'epoch')}")
        say(f"curves      {output / 'curves.png'}")
        say(f"To use it:  wsiseg segment SLIDE -c {best} {level}-o out/")


def _read_options(words: dict[str, Any], settings: dict[str, str], *, resume: bool) -> Any:
    """Sort what was typed into the settings of the data and those of the training.

    Where only a folder to go on in is named, its own settings count.
    """
    from wsiseg.training.options import DataOptions, TrainOptions

    names = TrainOptions.model_fields.keys() & words.keys()
    if resume and not any(words[name] for name in ("dataset", "images", "slides")):
        return _stored_options(words)
    data = DataOptions.build(**{k: v for k, v in words.items() if k in DataOptions.model_fields})
    options = TrainOptions.build(data=data, **{name: words[name] for name in sorted(names)})
    if not (settings or options.model):
        return options
    # Only now, as architectures are not known before torch is loaded.
    return options.model_copy(update={"arguments": _parse_arguments(words, settings)})


def _stored_options(words: dict[str, Any]) -> Any:
    """Return the settings of the training that stands; only the machine's may be other ones."""
    from wsiseg.errors import ArgumentError
    from wsiseg.training.options import MACHINE_OPTIONS
    from wsiseg.training.run_folder import RunFolder

    stands = {"output", "resume", "as_json", "quiet", "debug", *MACHINE_OPTIONS}
    for name, parameter in inspect.signature(train).parameters.items():
        if name not in stands and words[name] != parameter.default:
            raise ArgumentError(
                "a training goes on with the settings that it began with",
                f"--{name.replace('_', '-')}",
                "Leave the option out, or train anew in another folder.",
            )
    given = {name: words[name] for name in MACHINE_OPTIONS if words[name] is not None}
    return RunFolder(words["output"]).read_options().model_copy(update=given)


def _parse_arguments(words: dict[str, Any], settings: dict[str, str]) -> dict[str, Any]:
    """Return the architecture's arguments with their types."""
    from wsiseg.models.checkpoint import load_checkpoint
    from wsiseg.models.registry import find_architecture
    from wsiseg.training.starting import DEFAULT_ARCHITECTURE

    name = words["model"]
    if name is None and words["init"] is not None:
        name = load_checkpoint(words["init"], to_train=True).card.architecture
    return dict(find_architecture(name or DEFAULT_ARCHITECTURE).parse(settings))
