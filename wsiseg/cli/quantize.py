"""``wsiseg models quantize``: a network in int8, for the slides that it is to segment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wsiseg.cli.options import AsJson, CheckpointArgument, Debug, Overwrite, Quiet
from wsiseg.cli.printing import echo, print_json


def quantize_model(
    checkpoint: CheckpointArgument,
    calibrate: Annotated[
        list[Path],
        typer.Option(
            "--calibrate",
            metavar="SLIDE",
            help="A slide of the kind to be segmented, or a folder of them; may be given several "
            "times.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="The .safetensors to write.", show_default=False),
    ],
    more: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[SLIDE]...", help="More slides of --calibrate.", show_default=False
        ),
    ] = None,
    runtime: Annotated[
        str,
        typer.Option(
            metavar="auto|openvino|onnx",
            help="The runtime that will run it; auto is openvino if installed.",
        ),
    ] = "auto",
    min_agreement: Annotated[
        float, typer.Option(help="Smallest share of labels that must equal those of fp32.")
    ] = 0.99,
    mpp: Annotated[
        float | None, typer.Option(help="Working µm per pixel; the checkpoint's if left out.")
    ] = None,
    slide_mpp: Annotated[
        float | None, typer.Option(help="The slides' own µm per pixel, where the files state none.")
    ] = None,
    level: Annotated[
        int | None, typer.Option(help="Work at a pyramid level, without resampling.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads.", min=1)] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Quantise a network to int8, calibrated on tissue of your slides, and measure it."""
    from wsiseg.cli.progress import ConsoleListener
    from wsiseg.segmentation.quantising import quantize

    listener = ConsoleListener(quiet=quiet)
    try:
        result = quantize(
            checkpoint,
            [*calibrate, *(more or [])],
            output,
            runtime=runtime,
            min_agreement=min_agreement,
            mpp=mpp,
            slide_mpp=slide_mpp,
            level=level,
            threads=threads,
            overwrite=overwrite,
            began=listener.began,
        )
    finally:
        listener.stop()
    if as_json:
        print_json(
            {
                "output": str(result.output),
                "runtime": result.runtime,
                "label_agreement": result.label_agreement,
                "speedup": result.speedup,
                "layers_in_fp32": result.kept,
            }
        )
    elif not quiet:
        echo(f"quantised   {result.output} (int8 for {result.runtime})")
        echo(
            f"checked     {result.label_agreement:.2%} of the labels are those of fp32, on tiles "
            "kept out of the calibration"
        )
        kept = f", {result.kept} layers in fp32" if result.kept else ""
        echo(f"speed       {result.speedup:.2f} times that of fp32 on this machine{kept}")
        # `auto` takes OpenVINO on a CPU.
        named = "" if result.runtime == "openvino" else f" --runtime {result.runtime}"
        echo(f"to use it   wsiseg segment SLIDE -c {result.output}{named} --precision int8 -o out/")
