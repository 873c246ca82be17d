"""``wsiseg segment``: slides in, masks out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wsiseg.cli.options import (
    AsJson,
    Debug,
    Icc,
    Json,
    Quiet,
    ReaderName,
    Stain,
    StainReference,
    print_json,
)

_WORK, _NETWORK, _KEEP, _TROUBLE = (
    "Where and how",
    "Who runs the network",
    "What is kept",
    "Trouble",
)


def segment(
    slides: Annotated[list[Path], typer.Argument(help="Slides or pictures.", show_default=False)],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the masks.", show_default=False)
    ],
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "-c", "--checkpoint", help="A .safetensors checkpoint; the bundled one if left out."
        ),
    ] = None,
    mpp: Annotated[
        float | None,
        typer.Option(
            help="Working µm per pixel; the checkpoint's if left out.", rich_help_panel=_WORK
        ),
    ] = None,
    slide_mpp: Annotated[
        float | None,
        typer.Option(
            help="The slide's own µm per pixel, where the file states none or a wrong one.",
            rich_help_panel=_WORK,
        ),
    ] = None,
    level: Annotated[
        int | None,
        typer.Option(help="Work at a pyramid level as it is.", rich_help_panel=_WORK),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(help="Tile edge in working pixels.", rich_help_panel=_WORK),
    ] = None,
    halo: Annotated[
        int | None,
        typer.Option(help="Margin of context in working pixels.", rich_help_panel=_WORK),
    ] = None,
    blend: Annotated[
        str,
        typer.Option(help="crop, gaussian or cosine: how overlaps merge.", rich_help_panel=_WORK),
    ] = "crop",
    tissue: Annotated[
        str,
        typer.Option(
            metavar="auto|none|FILE",
            help="Where to look; FILE is a picture of the slide in which tissue is not black. "
            "Tiles that touch tissue are analysed whole.",
            rich_help_panel=_WORK,
        ),
    ] = "auto",
    roi: Annotated[
        Path | None,
        typer.Option(
            help="GeoJSON, ASAP or ImageScope polygons; outside nothing is analysed.",
            rich_help_panel=_WORK,
        ),
    ] = None,
    icc: Icc = False,
    stain: Stain = None,
    stain_reference: StainReference = None,
    runtime: Annotated[
        str, typer.Option(help="auto, openvino or torch.", rich_help_panel=_NETWORK)
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="auto, fp32, fp16 or bf16.", rich_help_panel=_NETWORK)
    ] = "auto",
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel=_NETWORK)
    ] = "auto",
    batch: Annotated[
        int | None, typer.Option(help="Tiles at a time.", rich_help_panel=_NETWORK)
    ] = None,
    readers: Annotated[
        int | None, typer.Option(help="Reading threads.", rich_help_panel=_NETWORK)
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads of the network.", rich_help_panel=_NETWORK)
    ] = None,
    memory: Annotated[str, typer.Option(help="Memory budget.", rich_help_panel=_NETWORK)] = "2GiB",
    with_image: Annotated[
        bool,
        typer.Option("--with-image", help="Also write the slide's pixels.", rich_help_panel=_KEEP),
    ] = False,
    probabilities: Annotated[
        bool,
        typer.Option(
            "--probabilities", help="Also keep per-class probabilities.", rich_help_panel=_KEEP
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with an output that stands.", rich_help_panel=_TROUBLE
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace an output that stands.", rich_help_panel=_TROUBLE
        ),
    ] = False,
    on_bad_tile: Annotated[
        str,
        typer.Option(help="fill or fail: what an unreadable tile does.", rich_help_panel=_TROUBLE),
    ] = "fill",
    max_bad_tiles: Annotated[
        str,
        typer.Option(
            help="Unreadable tiles, a number or percentage, before the slide fails.",
            rich_help_panel=_TROUBLE,
        ),
    ] = "1%",
    on_bad_numbers: Annotated[
        str,
        typer.Option(
            help="fill or fail: what NaN or infinity from the network does.",
            rich_help_panel=_TROUBLE,
        ),
    ] = "fill",
    reader: ReaderName = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Segment slides into multiscale OME-Zarr masks, tile by tile."""
    from wsiseg.segmentation.options import SegmentOptions, parse_size

    options = SegmentOptions(
        mpp=mpp,
        slide_mpp=slide_mpp,
        level=level,
        tile=tile,
        halo=halo,
        blend=blend,  # type: ignore[arg-type]
        tissue=tissue,
        roi=roi,
        icc=icc,
        stain=stain,
        stain_reference=stain_reference,
        runtime=runtime,
        precision=precision,
        device=device,
        batch=batch,
        readers=readers,
        threads=threads,
        memory=parse_size(memory),
        with_image=with_image,
        probabilities=probabilities,
        resume=resume,
        overwrite=overwrite,
        on_bad_tile=on_bad_tile,  # type: ignore[arg-type]
        max_bad_tiles=max_bad_tiles,
        on_bad_numbers=on_bad_numbers,  # type: ignore[arg-type]
        reader=reader,
    )

    from wsiseg.cli.progress import ConsoleListener
    from wsiseg.cli.wording import in_options
    from wsiseg.segmentation.batch import segment_batch
    from wsiseg.segmentation.segmenting import make_predictor

    listener = ConsoleListener(quiet=quiet)
    if checkpoint is None:
        listener.noted(
            "no -c given: the bundled demonstration checkpoint is used, no medical device"
        )
    predictor = make_predictor(checkpoint, options)
    entries: list[Json] = []
    try:
        for entry in segment_batch(slides, predictor, output, options, listener):
            failure = entry["error"]
            entries.append(entry | {"error": failure and in_options(str(failure))})
    finally:
        listener.stop()
        if as_json:
            print_json({"slides": entries})
    if not (as_json or quiet):
        print_results(entries, output)
    if any(entry["status"] == "failed" for entry in entries):
        raise typer.Exit(1)


def print_results(entries: list[Json], folder: Path) -> None:
    """Print what became of each slide on stdout."""
    from wsiseg.cli.progress import describe_result
    from wsiseg.segmentation.provenance import read_run
    from wsiseg.store.outputs import OutputFiles
    from wsiseg.tiling.slides import slide_name

    for entry in entries:
        if entry["status"] == "failed":
            continue
        files = OutputFiles(folder, slide_name(Path(str(entry["slide"]))))
        for line in describe_result(read_run(files.run)):
            print(line)
        print(f"per tile    {files.tiles}")
