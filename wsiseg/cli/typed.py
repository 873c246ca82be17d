"""The command as it was typed, to be typed again with other options."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence

_words: list[str] = []


def remember(words: Sequence[str]) -> None:
    """Remember the words of the command, without the program's name."""
    _words[:] = words


def typed_again(option: str, *, without: Sequence[str] = ()) -> str:
    """Return the command with one more option, ready to be pasted into a shell.

    Parameters
    ----------
    option : str
        To be added, unless it stands there.
    without : sequence of str
        Flags that it excludes.

    Examples
    --------
    >>> remember(["segment", "my slide.svs", "-o", "out", "--overwrite"])
    >>> typed_again("--resume", without=["--overwrite"])
    "wsiseg segment 'my slide.svs' -o out --resume"
    """
    words = ["wsiseg", *(word for word in _words if word not in without)]
    if option not in words:
        words.append(option)
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
