"""``python -m wsiseg``."""

from wsiseg.cli import program

program()
