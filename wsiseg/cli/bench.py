"""``wsiseg bench``: how fast networks are on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from wsiseg.cli.options import AsJson, Debug, Quiet
from wsiseg.cli.printing import Json, echo, print_json
from wsiseg.cli.settings_options import options_from
from wsiseg.errors import ArgumentError, OutputError, OutputExistsError
from wsiseg.throughput.bench_options import BenchOptions

_CLASSES = 19
"""Of architectures: those of Cityscapes, as in the papers."""

_SUFFIXES = (".json", ".csv", ".md")


@options_from(BenchOptions)
def bench(
    chosen: dict[str, Any],
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(
            "-c",
            "--checkpoint",
            metavar="NAME|FILE|URL",
            help="A checkpoint, as segment takes it; may be given several times.",
            show_default=False,
        ),
    ] = None,
    architecture: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="An architecture with fresh weights for 19 classes; may be given several times.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A table: .json, .csv or .md.", show_default=False),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            help="The .json of an earlier run: tells how many times as fast this one is.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing table.", metavar="")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure latency, pictures and megapixels a second, and power, by the papers' protocol."""
    options = BenchOptions.select(chosen)
    if not checkpoint and not architecture:
        raise ArgumentError(
            "no network is named", "`checkpoint`", "Name one, or an `architecture`."
        )
    _check_output(output, overwrite=overwrite)

    from wsiseg.cli.share_progress import ShareProgress
    from wsiseg.store.disk import write_atomically
    from wsiseg.throughput.bench import bench as measure
    from wsiseg.throughput.bench_tables import as_text, compare_with, describe, read_results

    earlier = None if compare is None else read_results(compare)
    results: list[Json] = []
    with ShareProgress("measuring", quiet=quiet) as progress:
        networks = list(_networks(checkpoint or [], architecture or []))
        for number, (name, network, normalisation) in enumerate(networks):

            def advance(share: float, number: int = number) -> None:
                progress((number + share) / len(networks))

            results.append(measure(name, network, normalisation, options, advance))
    if earlier is not None:
        results = compare_with(results, earlier)
    if output is not None:
        write_atomically(output, as_text(results, output.suffix.lower()))
    if as_json:
        print_json(results[0] if len(results) == 1 else {"results": results})
    else:
        echo(*describe(results))


def _networks(checkpoints: list[str], architectures: list[str]) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, network and normalisation of what was named."""
    from wsiseg.checkpoints import take_checkpoint
    from wsiseg.models.normalisation import Normalisation
    from wsiseg.models.registry import create_model, find_architecture

    for name in architectures:
        find_architecture(name)
    for name in checkpoints:
        loaded = take_checkpoint(name)
        yield loaded.name, loaded.network, loaded.card.normalisation
    for name in architectures:
        yield name, create_model(name, _CLASSES).eval(), Normalisation()


def _check_output(output: Path | None, *, overwrite: bool) -> None:
    if output is None:
        return
    if output.suffix.lower() not in _SUFFIXES:
        raise ArgumentError(
            f"the name of a table ends with {', '.join(_SUFFIXES)}", f"`output` {output.name}"
        )
    if not output.parent.is_dir():
        raise OutputError("there is no such folder", output.parent)
    if output.exists() and not overwrite:
        raise OutputExistsError("the output already exists", output, "`overwrite` replaces it.")
