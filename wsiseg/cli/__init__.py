"""The command line: one module per command, arguments and printing only."""

from __future__ import annotations

import json
import sys

from wsiseg.cli.heap import limit_arenas
from wsiseg.cli.leaving import QuickExit
from wsiseg.cli.signals import Interruption

__all__ = ["main", "program"]


def program() -> None:
    """Run the command line as a program of its own, which ends with it."""
    leaving = QuickExit()
    limit_arenas()
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, int):
            leaving.allow(end.code)
        raise


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its status.

    Parameters
    ----------
    arguments : list of str, optional
        Without the program's name; those of the process if left out.
    """
    interruption = Interruption()
    interruption.listen()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        # Only now, so that an interruption while it loads ends without a traceback, too.
        from wsiseg.cli.app import run

        status = run(words, interruption)
    except KeyboardInterrupt:
        status = interruption.status
        _say_interrupted(words, interruption)
    interruption.exit(status)


def _say_interrupted(words: list[str], interruption: Interruption) -> None:
    """Say what :mod:`wsiseg.cli.app` says, while that has not been loaded."""
    sys.stderr.write(f"error: {interruption.name}.\n")
    error = {
        "what": interruption.name,
        "where": None,
        "hint": None,
        "status": interruption.status,
    }
    if "--events" in words:
        sys.stdout.write(json.dumps({"event": "error", **error}) + "\n")
    elif "--json" in words:
        sys.stdout.write(json.dumps({"error": error}, indent=2) + "\n")
