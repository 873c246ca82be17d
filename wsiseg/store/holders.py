"""Who holds a lock: how a process names itself in it."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path


def this_holder() -> dict[str, object]:
    """Return what this process writes into its locks."""
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def read_holder(path: Path) -> dict[str, object]:
    """Return who holds a lock: what of its file stays the same until it is given back.

    Parameters
    ----------
    path : Path
        The lock file.

    Returns
    -------
    dict
        As :func:`this_holder`; empty if there is no such file, or it does not say.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    known = found if isinstance(found, dict) else {}
    return {name: known[name] for name in ("pid", "host", "since") if name in known}


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
