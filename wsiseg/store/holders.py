"""Who holds a lock: how a process names itself in it."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime


def this_holder() -> dict[str, object]:
    """Return what this process writes into its locks."""
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def describe_holder(holder: object) -> str:
    """Return in a few words which process a lock names.

    Parameters
    ----------
    holder : object
        What was read from it, whatever that is.

    Examples
    --------
    >>> describe_holder({"pid": 7, "host": "a", "since": "2026-01-01"})
    'process 7 on a since 2026-01-01'
    """
    if isinstance(holder, dict) and {"pid", "host", "since"} <= holder.keys():
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    return "it has not written yet which process it is"
