"""``wsiseg evaluate``: how good a checkpoint is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    print_json,
)

_SCORES, _WORK = "Scores", "Where and how"


def evaluate(
    checkpoint: Annotated[
        Path, typer.Option("-c", "--checkpoint", help="What to score.", show_default=False)
    ],
    dataset: given.DatasetName = None,
    root: given.Root = None,
    split: given.Split = None,
    images: given.Images = None,
    labels: given.Labels = None,
    instances: given.Instances = None,
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
    mpp: given.Mpp = None,
    slide_mpp: given.SlideMpp = None,
    scale: given.Scale = None,
    tile: Annotated[int | None, chosen_option(_WORK, "Tile edge in working pixels.")] = None,
    halo: Annotated[int | None, chosen_option(_WORK, "Margin of context.")] = None,
    blend: Annotated[
        str, typer.Option(help="crop, gaussian or cosine.", rich_help_panel=_WORK)
    ] = "crop",
    runtime: Annotated[
        str, typer.Option(help="auto, openvino or torch.", rich_help_panel=_WORK)
    ] = "auto",
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel=_WORK)
    ] = "auto",
    threads: Annotated[int | None, chosen_option(_WORK, "CPU threads of the network.")] = None,
    boundary: Annotated[
        bool,
        typer.Option("--boundary/--no-boundary", help="Score borders.", rich_help_panel=_SCORES),
    ] = True,
    tolerance: Annotated[
        float | None,
        chosen_option(
            _SCORES, "Pixels that a border may be off; 0.75 % of the diagonal if left out."
        ),
    ] = None,
    objects: Annotated[
        str | None, chosen_option(_SCORES, "The class that --instances numbers.", "--objects")
    ] = None,
    smallest: Annotated[
        int, typer.Option(help="Smaller predicted objects are dropped.", rich_help_panel=_SCORES)
    ] = 0,
    output: Annotated[
        Path | None,
        chosen_option(
            _SCORES, "Folder for scores.json, scores.csv and confusion.png.", "-o", "--output"
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score a checkpoint on annotated slides, masks or a public set."""
    words = dict(locals())
    from wsiseg.errors import ArgumentError
    from wsiseg.segmentation.options import SegmentOptions
    from wsiseg.training.options import DataOptions

    if instances is None and (objects is not None or smallest):
        raise ArgumentError("objects are scored against --instances", "--objects, --smallest")
    if tolerance is not None and not boundary:
        raise ArgumentError("--tolerance and --no-boundary exclude each other")
    names = DataOptions.model_fields.keys() & words.keys()
    chosen = DataOptions.build(**{name: words[name] for name in names})
    segment = SegmentOptions(
        tile=tile,
        halo=halo,
        blend=blend,  # type: ignore[arg-type]
        tissue="none",
        runtime=runtime,
        device=device,
        threads=threads,
    )

    from wsiseg.cli.learning import ConsoleTraining, describe_table
    from wsiseg.models.checkpoint import load_checkpoint
    from wsiseg.training import EvaluateOptions, open_data, write_scores
    from wsiseg.training import evaluate as score

    options = EvaluateOptions(
        mpp=mpp,
        slide_mpp=slide_mpp,
        scale=scale,
        boundary=boundary,
        tolerance=tolerance,
        objects=objects,
        smallest=smallest,
        segment=segment,
    )
    loaded = load_checkpoint(checkpoint)
    samples = open_data(chosen, validation=True)
    listener = ConsoleTraining(quiet=quiet)
    try:
        scores = score(loaded, samples, options, listener)
    finally:
        listener.stop()
    if output is not None:
        write_scores(scores, output)
    if as_json:
        print_json(scores)
    else:
        print(describe_table(scores))
        if output is not None:
            files = ("scores.json", "scores.csv", "confusion.png")
            print(f"\nscores      {', '.join(str(output / name) for name in files)}")
