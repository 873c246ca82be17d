"""``wsiseg bench``: how fast networks are on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wsiseg.cli.options import AsJson, Debug, Quiet
from wsiseg.cli.printing import Json, echo, print_json
from wsiseg.cli.settings_options import options_from
from wsiseg.errors import (
    ArgumentError,
    OutputError,
    OutputExistsError,
    RuntimeUnavailableError,
)
from wsiseg.throughput.bench_options import BenchOptions

if TYPE_CHECKING:
    from wsiseg.models.checkpoint import Checkpoint

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
            help="An architecture with random weights and 19 classes; may be given several times.",
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
            help="The .json of an earlier run, to compare speeds with.",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="A picture of accuracy, or parameters, against speed: .png, .svg or .pdf.",
            show_default=False,
        ),
    ] = None,
    counters: Annotated[
        bool,
        typer.Option(
            "--counters/--no-counters",
            help="Read hardware counters on NVIDIA GPUs, where ncu is installed.",
        ),
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    run_once: Annotated[bool, typer.Option("--run-once", hidden=True)] = False,
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
    if run_once:
        _run_once(checkpoint or [], architecture or [], options)
        return
    _check_output(output, overwrite=overwrite)
    _check_plot(plot, overwrite=overwrite)

    from wsiseg.cli.share_progress import ShareProgress
    from wsiseg.store.disk import write_atomically
    from wsiseg.throughput.bench import bench as measure
    from wsiseg.throughput.bench_tables import as_text, compare_with, describe, read_results

    earlier = None if compare is None else read_results(compare)
    results: list[Json] = []
    with ShareProgress("measuring", quiet=quiet) as progress:
        networks = _checkpoints(checkpoint or [], architecture or [])
        for number, each in enumerate(networks):

            def advance(share: float, number: int = number) -> None:
                progress((number + share) / len(networks))

            found = measure(each, options, advance)
            results.append(found | {"miou": each.card.metrics.get("val_miou")})
        if counters:
            _count_kernels(results, checkpoint or [], architecture or [], progress.warned)
    if earlier is not None:
        results = compare_with(results, earlier)
    if output is not None:
        write_atomically(output, as_text(results, output.suffix.lower()))
    if plot is not None:
        _draw(results, plot)
    if as_json:
        print_json(results[0] if len(results) == 1 else {"results": results})
    else:
        echo(*describe(results))


def _checkpoints(checkpoints: list[str], architectures: list[str]) -> list[Checkpoint]:
    """Return what was named; of an architecture, a network that was never trained."""
    from wsiseg.checkpoints import take_checkpoint
    from wsiseg.models.checkpoint import untrained
    from wsiseg.models.registry import find_architecture

    for name in architectures:
        find_architecture(name)
    found = [take_checkpoint(name) for name in checkpoints]
    return found + [untrained(name, _CLASSES) for name in architectures]


def _run_once(checkpoints: list[str], architectures: list[str], options: BenchOptions) -> None:
    """Run what was named once each, under a profiler."""
    from wsiseg.throughput.bench import run_once

    for each in _checkpoints(checkpoints, architectures):
        run_once(each, options)


def _count_kernels(
    results: list[Json],
    checkpoints: list[str],
    architectures: list[str],
    warn: Callable[[str], None],
) -> None:
    """Add the counters of kernels to results of NVIDIA's GPUs, where they can be read."""
    from wsiseg.throughput.kernel_counters import find_ncu, profile

    program = find_ncu()
    named = [("-c", name) for name in checkpoints]
    named += [("--architecture", name) for name in architectures]
    for result, words in zip(results, named, strict=True):
        result["counters"] = None
        if program is None or not result["device"].startswith("cuda"):
            continue
        command = [sys.executable, "-m", "wsiseg", "bench", "--run-once", *words]
        command += ["--sizes", f"{result['width']}x{result['height']}"]
        command += ["--batch", str(result["batch"]), "--runtime", result["runtime"]]
        command += ["--device", result["device"], "--precision", result["precision"]]
        try:
            result["counters"] = profile(program, command)
        except RuntimeUnavailableError as error:
            warn(f"without counters of {result['name']}: {error}")


def _draw(results: list[Json], plot: Path) -> None:
    from wsiseg.store.disk import translate_write_errors
    from wsiseg.throughput.bench_plot import draw

    with translate_write_errors(plot):
        draw(results, plot)


def _check_plot(plot: Path | None, *, overwrite: bool) -> None:
    if plot is None:
        return
    from wsiseg.throughput.bench_plot import check_plot

    check_plot(plot)
    _check_place(plot, overwrite=overwrite)


def _check_output(output: Path | None, *, overwrite: bool) -> None:
    if output is None:
        return
    if output.suffix.lower() not in _SUFFIXES:
        raise ArgumentError(
            f"the name of a table must end with {', '.join(_SUFFIXES)}", f"`output` {output.name}"
        )
    _check_place(output, overwrite=overwrite)


def _check_place(path: Path, *, overwrite: bool) -> None:
    from wsiseg.store.disk import refuse_address

    refuse_address(path)
    if not path.parent.is_dir():
        raise OutputError("there is no such folder", path.parent)
    if path.exists() and not overwrite:
        raise OutputExistsError("the output already exists", path, "`overwrite` replaces it.")
