"""``wsiseg demo``: the whole way on a slide that it builds."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wsiseg.cli.options import AsJson, Debug, Quiet
from wsiseg.cli.printing import echo, print_json

if TYPE_CHECKING:
    from wsiseg.cli.progress import ConsoleListener


def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the slide and its mask.")
    ] = Path("demo-output"),
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Build a 10000×12000 slide of real tissue and segment it."""
    from wsiseg.cli.progress import ConsoleListener
    from wsiseg.cli.segment_results import print_results
    from wsiseg.segmentation.batch import segment_batch
    from wsiseg.store.disk import refuse_address
    from wsiseg.store.locks import hold_lock
    from wsiseg.store.outputs import output_folder

    listener = ConsoleListener(quiet=quiet, debug=debug)
    refuse_address(output)
    slide = output / "demo.tiff"
    try:
        with output_folder(output):
            with hold_lock(output / "demo.tiff.lock", listener.warned):
                _build(slide, listener)
            entries = list(segment_batch(slide, None, output, listener=listener, overwrite=True))
    finally:
        listener.stop()
    if as_json:
        print_json({"slides": entries})
    elif not quiet:
        print_results(entries, listener.runs, output, total=1)
        missing = importlib.util.find_spec("napari") is None
        echo(
            "",
            *["To look at it:  pip install 'wsiseg[viewer]'"] * missing,
            f"{'' if missing else 'To look at it:':16}wsiseg view {slide} {entries[0]['mask']}",
            "Not a medical device: wsiseg models list --checkpoints says what the network is for.",
        )
    if any(entry["status"] == "failed" for entry in entries):
        raise typer.Exit(1)


def _build(slide: Path, listener: ConsoleListener) -> None:
    from wsiseg.demo.slide import build_demo_slide, demo_slide_stands

    if demo_slide_stands(slide):
        listener.noted(f"{slide} exists already")
        return
    listener.noted(f"building {slide}: sections of skin, H&E, from OpenSlide's test data (CC0)")
    listener.began("a 10000×12000 pyramid")
    build_demo_slide(slide)
