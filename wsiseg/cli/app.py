"""The commands under one name, and how failures end.

Nothing heavy is imported before a command runs, so that ``wsiseg --help`` answers at once.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import traceback
import warnings
from importlib.metadata import version
from typing import Annotated

import typer

from wsiseg.cli import demo, doctor, evaluate, info, models, segment, stain, train, view
from wsiseg.cli.signals import INTERRUPTED, Interruption
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

FAILED, WRONG_USAGE = 1, 2


@app.callback(invoke_without_command=True)
def _version(
    show: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if show:
        print(version("wsiseg"))
        raise typer.Exit


def run(arguments: list[str], interruption: Interruption) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments : list of str
        Without the program's name.
    interruption : Interruption
        Which signal it was, if one came.
    """
    if hasattr(signal, "SIGPIPE") and threading.current_thread() is threading.main_thread():
        # Whoever read our output may have had enough, as `head` has; that is no failure.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    debug = "--debug" in arguments
    # Damaged files make it complain on its own account; what matters comes as an error of ours.
    logging.getLogger("tifffile").setLevel(logging.DEBUG if debug else logging.CRITICAL + 1)
    if not debug:
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    return _run(arguments, interruption, debug=debug)


def _run(arguments: list[str], interruption: Interruption, *, debug: bool) -> int:
    try:
        status = app(arguments, standalone_mode=False) or 0
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        return status
    except typer.Exit as stop:
        return stop.exit_code
    except typer.TyperException as error:
        message = " ".join(error.format_message().split()).rstrip(".")
        if not message:
            # Without any command the help has been shown already.
            return WRONG_USAGE
        end = "" if message.endswith("?") else "."
        return _complain(f"{message}{end} Try --help.", WRONG_USAGE)
    except (ArgumentError, UnknownArchitectureError) as error:
        _trace(debug)
        return _complain(str(error), WRONG_USAGE)
    except WsisegError as error:
        _trace(debug)
        return _complain(str(error), FAILED)
    except (KeyboardInterrupt, typer.Abort) as stop:
        # Each command says whether, and how, it can be gone on with.
        return _end(interruption, " ".join(map(str, stop.args)))
    except Exception as error:
        if interruption.came:
            # A library has made something else of it.
            return _end(interruption, "")
        _trace(debug)
        hint = "" if debug else " Run again with --debug to see where."
        return _complain(f"unexpected {type(error).__name__}: {error}.{hint}", FAILED)


def _end(interruption: Interruption, hint: str) -> int:
    return _complain(f"{interruption.name}. {hint}", interruption.status)


def _trace(debug: bool) -> None:
    if debug:
        traceback.print_exc()


def _complain(text: str, status: int) -> int:
    print(f"error: {in_options(' '.join(text.split()))}", file=sys.stderr)
    return status
