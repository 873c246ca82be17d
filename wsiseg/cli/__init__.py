"""The command line: one module per command, arguments and printing only."""

from wsiseg.cli.app import main

__all__ = ["main"]
