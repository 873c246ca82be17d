"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print no progress and no notes.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")]
CheckpointArgument = Annotated[
    str,
    typer.Argument(
        metavar="CKPT", help="A checkpoint, as segment -c takes it.", show_default=False
    ),
]


def chosen_option(panel: str, text: str, *names: str) -> Any:
    """Return a typer option without a default in ``--help``: it is chosen automatically.

    Parameters
    ----------
    panel : str
        Heading in ``--help``.
    text : str
        Help text.
    *names
        ``--reader``, for instance; made from the parameter's name if left out.
    """
    return typer.Option(*names, help=text, rich_help_panel=panel, show_default=False)


ReaderName = Annotated[
    str | None,
    chosen_option(
        "Slides",
        "omezarr, tifffile, openslide or pillow; chosen automatically if left out. wsiseg info "
        "lists those that take a slide.",
        "--reader",
    ),
]


_COLOUR = "Colours"
Icc = Annotated[
    bool,
    typer.Option(
        "--icc",
        help="Convert the scanner's colours to sRGB with the ICC profile in the file.",
        rich_help_panel=_COLOUR,
        show_default=False,
    ),
]
