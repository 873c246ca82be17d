"""The commands under one name, and how failures end.

Nothing heavy is imported before a command runs, so that ``wsiseg --help`` answers at once.
"""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from wsiseg.cli import demo, doctor, evaluate, info, models, segment, stain, train, view
from wsiseg.cli.printing import complain, complain_of_trace, print_json_error, say, streams
from wsiseg.cli.wording import in_options
from wsiseg.errors import ArgumentError, UnknownArchitectureError, WsisegError

app = typer.Typer(
    name="wsiseg",
    help="Segment whole slides tile by tile, without seams, into masks that open in napari.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("segment", epilog="Example: wsiseg segment biopsy.svs -o out/")(segment.segment)
app.command(
    "train",
    epilog="Example: wsiseg train --slides slides/ --annotations drawn/ --mpp 0.5 -o run/",
)(train.train)
app.command(
    "evaluate",
    epilog="Example: wsiseg evaluate -c run/best.safetensors --dataset camvid --root CamVid/",
)(evaluate.evaluate)
app.command("view", epilog="Example: wsiseg view biopsy.svs out/biopsy.ome.zarr")(view.view)
app.command("info", epilog="Example: wsiseg info biopsy.svs --json")(info.info)
app.command("stain", epilog="Example: wsiseg stain lab_a.svs -o lab_a.json")(stain.stain)
app.add_typer(models.app, name="models")
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


@app.callback(invoke_without_command=True)
def _version(
    show: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if show:
        say(version("wsiseg"))
        raise typer.Exit


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its status.

    Parameters
    ----------
    arguments : list of str, optional
        Without the program's name; those of the process if left out.
    """
    if arguments is None:
        arguments = sys.argv[1:]
    debug = "--debug" in arguments
    # Damaged files make it complain on its own account; what matters comes as an error of ours.
    logging.getLogger("tifffile").setLevel(logging.DEBUG if debug else logging.CRITICAL + 1)
    with streams(debug=debug):
        status = _run(arguments, debug=debug)
    sys.exit(status)


def _run(arguments: list[str], *, debug: bool) -> int:
    try:
        status = app(arguments, standalone_mode=False) or 0
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        if sys.stdout is not None:
            # What cannot be written is to be known while it can be told.
            sys.stdout.flush()
        return status
    except typer.Exit as stop:
        return stop.exit_code
    except typer.TyperException as error:
        message = " ".join(error.format_message().split()).rstrip(".")
        if not message:
            # Without any command the help has been shown already.
            return WRONG_USAGE
        return _fail(arguments, WRONG_USAGE, message, hint="Try --help.")
    except (ArgumentError, UnknownArchitectureError) as error:
        _trace(debug)
        return _fail(arguments, WRONG_USAGE, error.what, error.where, error.hint)
    except WsisegError as error:
        _trace(debug)
        return _fail(arguments, FAILED, error.what, error.where, error.hint)
    except (KeyboardInterrupt, typer.Abort) as stop:
        # A segmentation can always be gone on with; a training says whether it can.
        segments = arguments[:1] == ["segment"]
        hint = "Go on with --resume." if segments else " ".join(map(str, stop.args))
        return _fail(arguments, INTERRUPTED, "interrupted", hint=hint)
    except Exception as error:
        _trace(debug)
        hint = "" if debug else "Run again with --debug to see where."
        return _fail(arguments, FAILED, f"unexpected {type(error).__name__}: {error}", hint=hint)


def _trace(debug: bool) -> None:
    if debug:
        complain_of_trace()


def _fail(
    arguments: list[str], status: int, what: str, where: object = None, hint: str | None = None
) -> int:
    """Say what failed, as JSON too if that was asked for, and return the exit status."""
    what = in_options(what)
    # A file may be called like a parameter.
    place = in_options(where) if isinstance(where, str) else where and str(where)
    hint = in_options(hint) if hint else None
    complain(f"error: {str(WsisegError(what, place, hint)).replace('?. ', '? ')}")
    if "--json" in arguments:
        print_json_error({"what": what, "where": place, "hint": hint, "status": status})
    return status
