"""``wsiseg view``: a slide and its masks in napari."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from wsiseg.cli.options import AsJson, Debug, Quiet, ReaderName, chosen_option
from wsiseg.cli.printing import Terminal, print_json

_RESOLUTION = "Resolution, tiles, tissue"
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


def view(
    slide: Annotated[
        Path,
        typer.Argument(
            help="A slide, a folder or list of slides, a cohort.csv, or a project file.",
            show_default=False,
        ),
    ],
    masks: Annotated[
        list[Path] | None, typer.Argument(help="Masks of the slide, as segment writes them.")
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "-c",
            "--checkpoint",
            metavar="NAME|FILE|URL",
            help="Checkpoint that the Segment widget starts with: name, file or URL.",
            show_default=False,
        ),
    ] = None,
    slide_mpp: Annotated[
        float | None,
        chosen_option(_RESOLUTION, "The slide's own µm per pixel, where it states none."),
    ] = None,
    override_mpp: Annotated[
        bool,
        typer.Option(
            "--override-mpp",
            help="Let --slide-mpp overrule what the file states.",
            rich_help_panel=_RESOLUTION,
        ),
    ] = False,
    reader: ReaderName = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Look at a slide and its masks in napari; segment, paint and fine-tune there."""
    from wsiseg.errors import RuntimeUnavailableError

    if find_spec("napari") is not None:
        # Loading it takes a while, after which Qt would end the process.
        _refuse_without_screen()
    # Read by napari when it is imported: pixels are then fetched off the event loop.
    os.environ.setdefault("NAPARI_ASYNC", "1")
    try:
        with _stage("loading napari", quiet=quiet):
            from wsiseg.viewer import window
    except ImportError as error:
        # A library of the system says so, with its file's name in front.
        missing = ".so" not in str(error)
        raise RuntimeUnavailableError(
            f"the viewer is not installed: {error}" if missing else f"Qt cannot start: {error}",
            None,
            "Install it with: pip install 'wsiseg[viewer]'"
            if missing
            else "Its libraries are named by scripts/install_system_packages.sh.",
        ) from error
    with window.sparing_collector(), _stage(f"opening {slide.name}", quiet=quiet):
        window.open_window(
            slide, masks or [], slide_mpp, reader, checkpoint, override_mpp=override_mpp
        )
    window.stay()
    if as_json:
        print_json({"slide": str(slide), "masks": [str(mask) for mask in masks or []]})


@contextmanager
def _stage(text: str, *, quiet: bool) -> Iterator[None]:
    """Name what is waited for on a terminal: napari and Qt take a minute from a slow disk."""
    terminal = Terminal()
    with nullcontext() if quiet or not terminal.is_terminal else terminal.spinner(f"  {text}"):
        yield


def _refuse_without_screen() -> None:
    from wsiseg.errors import RuntimeUnavailableError

    if sys.platform.startswith("linux") and not any(map(os.environ.get, _SCREENS)):
        raise RuntimeUnavailableError(
            "there is no screen to open a window on",
            "DISPLAY",
            "Log in with a screen or by ssh -X; segment and evaluate need none.",
        )
