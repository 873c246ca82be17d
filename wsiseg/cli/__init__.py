"""The command line: one module per command, arguments and printing only."""

from __future__ import annotations

import sys

from wsiseg.cli.signals import Interruption

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its status.

    Parameters
    ----------
    arguments : list of str, optional
        Without the program's name; those of the process if left out.
    """
    interruption = Interruption()
    interruption.listen()
    try:
        # Only now, so that an interruption while it loads ends without a traceback, too.
        from wsiseg.cli.app import run

        status = run(sys.argv[1:] if arguments is None else arguments, interruption)
    except KeyboardInterrupt:
        sys.stderr.write(f"error: {interruption.name}.\n")
        status = interruption.status
    interruption.exit(status)
