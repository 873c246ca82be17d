"""The command line: all commands, and how errors are printed and turned into exit statuses.

Nothing heavy is imported before a command runs, so that ``wsiseg --help`` answers at once.
"""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from wsiseg.cli.lazy import HELP_OPTIONS, LazyCommand, lazy_group
from wsiseg.cli.option_names import set_option_names
from wsiseg.cli.printing import (
    echo,
    echo_error,
    echo_traceback,
    print_json_error,
    print_json_line,
    safe_streams,
)
from wsiseg.cli.signals import INTERRUPTED, Interruption
from wsiseg.cli.telling_errors import describe_error
from wsiseg.cli.typed import remember
from wsiseg.errors import ArgumentError, UnknownArchitectureError, WsisegError

COMMANDS = {
    "segment": LazyCommand(
        "wsiseg.cli.segment:segment",
        "Segment slides into multiscale OME-Zarr masks, tile by tile.",
        "wsiseg segment biopsy.svs -o out/",
    ),
    "predict": LazyCommand(
        "wsiseg.cli.predict:predict",
        "Label pictures: street scenes, fields of view, frames of a video.",
        "wsiseg predict frames/ -c street.safetensors -o labelled/",
    ),
    "train": LazyCommand(
        "wsiseg.cli.train:train",
        "Train or fine-tune a network on annotated slides, masks or a public set.",
        "wsiseg train --slides slides/ --annotations drawn/ --mpp 0.5 -o run/",
    ),
    "evaluate": LazyCommand(
        "wsiseg.cli.evaluate:evaluate",
        "Score a checkpoint on annotated slides, masks or a public set.",
        "wsiseg evaluate -c run/best.safetensors --dataset camvid --root CamVid/",
    ),
    "export": LazyCommand(
        "wsiseg.cli.export:export",
        "Write a mask to a file for other programs, such as GeoJSON for QuPath.",
        "wsiseg export out/biopsy.ome.zarr --to geojson -o biopsy.geojson",
    ),
    "measure": LazyCommand(
        "wsiseg.cli.measure:measure",
        "Measure areas, regions, components and densities in masks, as tables.",
        "wsiseg measure out/biopsy.ome.zarr --components -o nuclei.csv",
    ),
    "refine": LazyCommand(
        "wsiseg.cli.refine:refine",
        "Smooth a mask, fill its holes, remove small areas, apply thresholds to classes.",
        "wsiseg refine out/biopsy.ome.zarr --min-area 20um2 -o biopsy-clean.ome.zarr",
    ),
    "report": LazyCommand(
        "wsiseg.cli.report:report",
        "Write an HTML report of each run: pictures, areas, times, how to repeat it.",
        "wsiseg report out/",
    ),
    "view": LazyCommand(
        "wsiseg.cli.view:view",
        "Look at a slide and its masks in napari; segment, paint and fine-tune there.",
        "wsiseg view biopsy.svs out/biopsy.ome.zarr",
    ),
    "info": LazyCommand(
        "wsiseg.cli.info:info",
        "Show a slide's levels, resolution and vendor, and which readers open it.",
        "wsiseg info slides/*.svs --json",
    ),
    "stain": LazyCommand(
        "wsiseg.cli.stain:stain",
        "Measure a slide's stains and save them as a reference for --stain-reference.",
        "wsiseg stain lab_a.svs -o lab_a.json",
    ),
    "models": LazyCommand(
        "wsiseg.cli.models:app",
        "List, describe, import, export and quantise networks.",
    ),
    "bench": LazyCommand(
        "wsiseg.cli.bench:bench",
        "Measure the speed of networks on this machine, by the papers' protocol.",
        "wsiseg bench -c nuclei --sizes 1024x512,512x512",
    ),
    "doctor": LazyCommand(
        "wsiseg.cli.doctor:doctor", "Check devices, runtimes, readers and versions."
    ),
    "demo": LazyCommand(
        "wsiseg.cli.demo:demo",
        "Build a 10000×12000 slide of real tissue and segment it.",
    ),
}

app = typer.Typer(
    name="wsiseg",
    cls=lazy_group(COMMANDS),
    help="Segment whole slides tile by tile, without seams, into masks that open in napari.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings=HELP_OPTIONS,
)

FAILED, WRONG_USAGE = 1, 2


@app.callback(invoke_without_command=True)
def _version(
    show: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if show:
        echo(version("wsiseg"))
        raise typer.Exit


def run(arguments: list[str], interruption: Interruption) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments : list of str
        Without the program's name.
    interruption : Interruption
        Knows whether a signal was received, and which.

    Returns
    -------
    int
        0 done, 1 failed, 2 wrong usage, 128 and the signal's number if interrupted.
    """
    debug = "--debug" in arguments
    remember(arguments)
    # It logs whatever damaged files make it stumble over; what matters comes as an error of ours.
    logging.getLogger("tifffile").setLevel(logging.DEBUG if debug else logging.CRITICAL + 1)
    # Help is no document.
    asked = not {"--help", "-h", "--version"}.isdisjoint(arguments)
    document = not asked and not {"--json", "--events"}.isdisjoint(arguments)
    with safe_streams(debug=debug, document=document):
        try:
            return _run(arguments, interruption, debug=debug)
        finally:
            # What is called from Python afterwards speaks of parameters.
            set_option_names({})


def _run(arguments: list[str], interruption: Interruption, *, debug: bool) -> int:
    try:
        return _invoke(arguments)
    except typer.Exit as stop:
        return stop.exit_code
    except typer.TyperException as error:
        message = " ".join(error.format_message().split()).rstrip(".")
        if not message:
            # Without any command the help has been shown already.
            return WRONG_USAGE
        return _fail(arguments, WRONG_USAGE, message, hint="Try --help.")
    except (ArgumentError, UnknownArchitectureError) as error:
        _trace(error, debug=debug)
        return _fail(arguments, WRONG_USAGE, error.what, error.where, error.hint)
    except WsisegError as error:
        _trace(error, debug=debug)
        return _fail(arguments, FAILED, error.what, error.where, error.hint)
    except (KeyboardInterrupt, typer.Abort) as stop:
        # Each command says whether, and how, it can be gone on with.
        hint = " ".join(map(str, stop.args))
        return _fail(arguments, interruption.status, interruption.name, hint=hint)
    except Exception as error:
        if interruption.received:
            # A library has made something else of it.
            return _fail(arguments, interruption.status, interruption.name)
        _trace(error, debug=debug)
        hint = "" if debug else "Run again with --debug to see where."
        return _fail(arguments, FAILED, f"unexpected {type(error).__name__}: {error}", hint=hint)


def _invoke(arguments: list[str]) -> int:
    status = app(arguments, standalone_mode=False) or 0
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    if sys.stdout is not None:
        # What cannot be written is to be known while it can be told.
        sys.stdout.flush()
    return status


def _trace(error: Exception, *, debug: bool) -> None:
    if debug:
        echo_traceback(error)


def _fail(
    arguments: list[str], status: int, what: str, where: object = None, hint: str | None = None
) -> int:
    """Print an error, as JSON too with --json, and return the exit status."""
    error = describe_error(WsisegError(what, where, hint), status)
    echo_error(f"error: {error.line}")
    if "--events" in arguments:
        print_json_line({"event": "error", **error.content})
    elif "--json" in arguments:
        print_json_error(error.content)
    return status
