"""``wsiseg demo``: the whole way on a slide that it builds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wsiseg.cli.options import AsJson, Debug, Quiet, print_json


def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the slide and its mask.")
    ] = Path("demo-output"),
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Build a 10000×12000 slide, unless it stands, and segment it with the bundled checkpoint."""
    from wsiseg.cli.progress import ConsoleListener
    from wsiseg.cli.segment import print_results
    from wsiseg.demo.slide import build_demo_slide, demo_slide_stands
    from wsiseg.segmentation.batch import segment_batch
    from wsiseg.segmentation.options import SegmentOptions
    from wsiseg.segmentation.segmenting import make_predictor
    from wsiseg.store.outputs import OutputFiles

    OutputFiles(output, "").prepare()
    listener = ConsoleListener(quiet=quiet)
    slide = output / "demo.tiff"
    if demo_slide_stands(slide):
        listener.noted(f"{slide} was built before")
    else:
        listener.noted(f"building {slide} from scikit-image's tissue picture")
        listener.began("a 10000×12000 pyramid")
        build_demo_slide(slide)
    options = SegmentOptions(overwrite=True)
    try:
        entries = list(
            segment_batch([slide], make_predictor(None, options), output, options, listener)
        )
    finally:
        listener.stop()
    if as_json:
        print_json({"slides": entries})
    elif not quiet:
        print_results(entries, output)
        print(
            f"\nTo look at it:  pip install 'wsiseg[viewer]'\n"
            f"                wsiseg view {slide} {entries[0]['mask']}\n"
            "The labels are those of a demonstration model, which is no medical device."
        )
    if any(entry["status"] == "failed" for entry in entries):
        raise typer.Exit(1)
