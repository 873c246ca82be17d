"""``wsiseg models``: lists and describes networks; imports, exports and quantises them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wsiseg.cli.options import AsJson, CheckpointArgument, Debug, Overwrite, Quiet
from wsiseg.cli.printing import Json, echo, echo_error, print_json
from wsiseg.cli.quantize import quantize_model
from wsiseg.models.exporting.formats import MODEL_FORMATS
from wsiseg.settings import split_pairs

if TYPE_CHECKING:
    from wsiseg.models.networks.network import SegmentationNetwork
    from wsiseg.models.published.comparison import Comparison

app = typer.Typer(
    help="List, describe, import, export and quantise networks.", no_args_is_help=True
)

LISTED_CLASSES = 19
"""Class count for which parameters are listed: that of Cityscapes, as in the papers."""

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="An argument of the architecture."),
]


@app.command("list")
def list_models(
    checkpoints: Annotated[
        bool,
        typer.Option("--checkpoints", help="List the bundled checkpoints instead, for -c NAME."),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List every architecture with its family and parameters (at 19 classes)."""
    if checkpoints:
        entries = _list_checkpoints()
        if as_json:
            print_json(entries)
        else:
            echo(*_describe_checkpoints(entries))
        return

    from dataclasses import asdict

    from wsiseg.models.listing import count_architectures

    entries = [asdict(each) for each in count_architectures(LISTED_CLASSES)]
    if as_json:
        print_json(entries)
        return
    for entry in entries:
        echo(f"{entry['name']:16}{entry['parameters']:>12,}  {entry['paper']}")


def _list_checkpoints() -> list[Json]:
    """Return what the bundled checkpoints are, read from their headers."""
    from wsiseg.demo import bundled_checkpoints
    from wsiseg.models.card import read_card

    entries: list[Json] = []
    for name, path in bundled_checkpoints().items():
        card, header = read_card(path)
        entries.append(
            {
                "name": name,
                "description": card.description or None,
                "classes": [entry.name for entry in card.classes],
                "mpp": card.mpp,
                "architecture": card.architecture,
                "parameters": header.parameters,
                "bytes": path.stat().st_size,
                "licence": card.licence or None,
                "citation": card.citation or None,
                "path": str(path),
            }
        )
    return entries


def _describe_checkpoints(entries: list[Json]) -> Iterator[str]:
    for entry in entries:
        classes: Any = entry["classes"]
        mpp = "as pictures are" if entry["mpp"] is None else f"{entry['mpp']:g} µm/px"
        yield f"{entry['name']:12}  {entry['description'] or 'no description'}"
        yield f"  classes     {', '.join(classes)}"
        yield (
            f"  network     {entry['architecture']}, {entry['parameters']:,} parameters, "
            f"{int(str(entry['bytes'])) / 1e6:.1f} MB, at {mpp}"
        )
        if entry["licence"]:
            yield f"  data        {entry['licence']}"
        if entry["citation"]:
            yield f"  to be cited {entry['citation']}"
    yield "No medical device. To use one:  wsiseg segment SLIDE -c NAME -o out/"


@app.command(epilog="Example: wsiseg models show espnet --classes 8 --set alpha3=5")
def show(
    name: Annotated[str, typer.Argument(help="An architecture.", show_default=False)],
    classes: Annotated[int, typer.Option(help="Number of classes, 1 to 255.")] = LISTED_CLASSES,
    settings: Settings = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show what an architecture costs and how far it sees."""
    from wsiseg.cli.progress import ConsoleListener
    from wsiseg.models.published.comparison import compare
    from wsiseg.models.registry import create_model, find_architecture

    architecture = find_architecture(name)
    network = create_model(name, classes, **architecture.parse(split_pairs(settings or [])))
    listener = ConsoleListener(quiet=quiet)
    listener.began("counting operations, and measuring how far the network sees")
    try:
        costs, published = _measure(network), compare(name)
    finally:
        listener.stop()
    if as_json:
        print_json(
            {
                "name": name,
                "classes": classes,
                **costs,
                "family": architecture.family,
                "paper": architecture.paper,
                "published": [_describe(comparison) for comparison in published],
            }
        )
        return
    echo(f"{name}, {classes} classes: {architecture.paper}")
    for line in _list_costs(costs):
        echo(line)
    width = max((len(key) for key in architecture.arguments), default=0)
    for heading, key in zip(chain(["--set"], repeat("")), architecture.arguments, strict=False):
        echo(f"{heading:15}  {f'{key}=…':{width + 4}}{architecture.describe(key)}")
    for heading, compared in zip(chain(["published"], repeat("")), published, strict=False):
        figure, here = compared.figure, f", here {compared.text}" if compared.text else ""
        echo(f"{heading:15}  {figure.text}: {figure.on} ({figure.source}){here}")


def _measure(network: SegmentationNetwork) -> dict[str, Any]:
    from wsiseg.models.folding import merge_paths
    from wsiseg.models.profiling import count_macs, count_parameters, receptive_field

    parameters = count_parameters(network)
    return {
        "parameters": parameters,
        "parameters_deployed": count_parameters(merge_paths(network)),
        "macs": count_macs(network),
        "size_mb": round(parameters * 4 / 1e6, 3),
        "receptive_field": receptive_field(network),
        "input_multiple": network.input_multiple,
    }


def _list_costs(costs: dict[str, Any]) -> Iterator[str]:
    deployed, field = costs["parameters_deployed"], costs["receptive_field"]
    yield f"parameters       {costs['parameters']:,}"
    if deployed != costs["parameters"]:
        yield f"for inference    {deployed:,} without auxiliary heads and parallel paths"
    yield f"operations       {costs['macs'] / 1e9:.3f} billion MACs at 512×1024"
    yield f"size             {costs['size_mb']} MB in fp32"
    yield f"receptive field  {f'{field} pixels' if field else 'the whole picture'}"
    yield f"input multiple   {costs['input_multiple']} (other sizes are padded)"


def _describe(comparison: Comparison) -> Json:
    """Return a published figure, and what is computed here, for JSON."""
    figure = comparison.figure
    return {
        "measure": figure.measure,
        "value": figure.value,
        "unit": figure.unit,
        "on": figure.on,
        "source": figure.source,
        "arguments": dict(figure.arguments),
        "variant": figure.variant or None,
        "here": comparison.here,
        "agrees": comparison.agrees,
        "note": figure.note or None,
    }


@app.command(
    "import",
    epilog="Example: wsiseg models import espnet_p_2_q_8.pth --dataset cityscapes "
    "-o streets.safetensors",
)
def import_model(
    file: Annotated[Path, typer.Argument(help="Published weights (.pth).", show_default=False)],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="The .safetensors to write.", show_default=False),
    ],
    architecture: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Its architecture, see wsiseg models list; recognised by the weights if left out.",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="cityscapes|camvid|voc",
            help="The set it was trained on; inferred from the number of classes if left out.",
        ),
    ] = None,
    settings: Settings = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Turn a published checkpoint into one of ours, normalisation and class names included."""
    from wsiseg.errors import ArgumentError, OutputExistsError
    from wsiseg.models.importing import guess_architecture, import_checkpoint
    from wsiseg.models.profiling import count_parameters
    from wsiseg.models.registry import find_architecture

    if output.is_dir():
        raise ArgumentError("the output is a folder", output, "Name a file in it.")
    if output.exists() and file.exists() and output.samefile(file):
        raise ArgumentError("the output would replace the weights", output, "Name another file.")
    if output.exists() and not overwrite:
        raise OutputExistsError("the output already exists", output, "`overwrite` replaces it.")
    if architecture is None:
        architecture = guess_architecture(file)
        if not (quiet or as_json):
            echo_error(f"note: these are weights of {architecture}")
    arguments = find_architecture(architecture).parse(split_pairs(settings or []))
    checkpoint = import_checkpoint(file, architecture, dataset, arguments)
    checkpoint.save(output)
    content = {
        "output": str(output),
        "architecture": architecture,
        "classes": len(checkpoint.classes),
        "parameters": count_parameters(checkpoint.network),
        "dataset": checkpoint.card.training["dataset"],
    }
    if as_json:
        print_json(content)
    elif checkpoint.card.encoder_only:
        echo(f"{output}: the encoder of {architecture} from a classifier, its decoder untrained")
        echo(f"To train it:  wsiseg train --init {output} -o run/ …")
    else:
        echo(
            f"{output}: {architecture}, {content['classes']} classes of {content['dataset']}, "
            f"{content['parameters']:,} parameters"
        )


@app.command("export", epilog="Example: wsiseg models export nuclei --to onnx -o nuclei.onnx")
def export_model(
    checkpoint: CheckpointArgument,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="; ".join(f"{name}: {form.title}" for name, form in MODEL_FORMATS.items()) + ".",
            metavar="|".join(MODEL_FORMATS),
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file to write.", show_default=False)
    ],
    tile: Annotated[int, typer.Option(help="Height and width of its input.", min=8)] = 512,
    batch: Annotated[int, typer.Option(help="Batch size of its input.", min=1)] = 1,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a network to a file for other programs, checked against the original on real tissue."""
    from wsiseg.checkpoints import take_checkpoint
    from wsiseg.cli.progress import ConsoleListener
    from wsiseg.demo.tissue import tissue_tiles
    from wsiseg.models.exporting.exporting import export_model as write

    listener = ConsoleListener(quiet=quiet)
    try:
        loaded = take_checkpoint(checkpoint, began=listener.began)
        tiles = tissue_tiles(tile, batch)
        result = write(loaded, to, output, tiles, overwrite=overwrite, began=listener.began)
    finally:
        listener.stop()
    if as_json:
        print_json(
            {
                "output": str(result.output),
                "bytes": result.bytes,
                "max_abs_difference": result.max_abs_difference,
                "label_agreement": result.label_agreement,
            }
        )
    elif not quiet:
        size = f"{result.bytes / 1e6:.1f} MB"
        echo(f"exported    {result.output} ({size}), for batches of {batch}×{tile}×{tile}")
        echo(
            f"checked     {result.label_agreement:.2%} of the labels are the original's, "
            f"probabilities differ by {result.max_abs_difference:.4f} at most"
        )


app.command(
    "quantize",
    epilog="Example: wsiseg models quantize nuclei --calibrate slides/ -o nuclei.int8.safetensors",
)(quantize_model)
