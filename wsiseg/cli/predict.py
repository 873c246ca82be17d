"""``wsiseg predict``: pictures in, pictures of their labels out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wsiseg.cli.option_names import name_options
from wsiseg.cli.options import AsJson, Debug, Quiet
from wsiseg.cli.printing import Json, begin_json, echo, print_json
from wsiseg.cli.settings_options import options_from
from wsiseg.prediction.options import PredictOptions
from wsiseg.text import plural

if TYPE_CHECKING:
    from wsiseg.prediction.predicting import PredictedImage

_MOST_SHARES = 4


@options_from(PredictOptions)
def predict(
    images: Annotated[
        list[Path], typer.Argument(help="Pictures, or folders of them.", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Folder for labels and overlays.", show_default=False),
    ],
    chosen: dict[str, Any],
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "-c",
            "--checkpoint",
            metavar="NAME|FILE|URL",
            help="A checkpoint, as segment takes it. nuclei if left out.",
        ),
    ] = None,
    recursive: Annotated[
        bool,
        typer.Option("--recursive", help="Look into subfolders, too."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Label pictures: an index PNG in the classes' colours, and an overlay, for each."""
    _ = PredictOptions(**chosen)

    from wsiseg.cli.progress import ConsoleListener
    from wsiseg.demo import announce_default
    from wsiseg.prediction.predicting import predict as job

    listener = ConsoleListener(quiet=quiet, debug=debug)
    if checkpoint is None:
        listener.noted(f"no -c given: {announce_default()}")
    entries: list[Json] = []
    begin_json({"images": entries})
    labelled: list[PredictedImage] = []
    start = time.perf_counter()
    try:
        for each in job(
            images,
            checkpoint,
            output,
            overwrite=overwrite,
            recursive=recursive,
            began=listener.began,
            noted=lambda text: listener.noted(name_options(text)),
            **chosen,
        ):
            listener.stop()
            entries.append(_entry(each))
            if each.error is not None:
                listener.failed(each.image, each.error)
                continue
            labelled.append(each)
            if not (quiet or as_json):
                echo(_line(each))
    finally:
        listener.stop()
    seconds = time.perf_counter() - start
    if as_json:
        print_json({"images": entries})
    elif labelled and not quiet:
        echo(_total(labelled, seconds))
    if len(labelled) < len(entries):
        raise typer.Exit(1)


def _entry(found: PredictedImage) -> Json:
    return {
        "image": str(found.image),
        "labels": found.labels and str(found.labels),
        "overlay": found.overlay and str(found.overlay),
        "seconds": found.seconds,
        "forward_seconds": found.forward_seconds,
        "shares": found.shares,
        "error": found.error and name_options(str(found.error)),
    }


def _line(found: PredictedImage) -> str:
    shares = list((found.shares or {}).items())[:_MOST_SHARES]
    told = ", ".join(f"{name} {share:.0%}" for name, share in shares if share >= 0.005)
    return f"{found.labels}  {1000 * (found.seconds or 0):.0f} ms  {told}"


def _total(labelled: list[PredictedImage], seconds: float) -> str:
    forward = sum(each.forward_seconds or 0 for each in labelled)
    count = len(labelled)
    return (
        f"{plural(count, 'picture')} in {seconds:.1f} s: {count / seconds:.1f} a second, "
        f"{count / forward:.1f} a second in the network alone"
    )
