"""``wsiseg doctor``: what this machine has, and what to do about what is missing."""

from __future__ import annotations

import typer

from wsiseg.cli.options import AsJson, Debug, Quiet
from wsiseg.cli.printing import echo, print_json


def doctor(as_json: AsJson = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Check devices, runtimes, readers and versions."""
    from wsiseg.diagnosis import diagnose

    checks = diagnose()
    if as_json:
        print_json({"checks": [{"name": c.name, "ok": c.ok, "detail": c.detail} for c in checks]})
    else:
        for check in checks:
            mark = "ok" if check.ok else ("missing" if check.optional else "FAILED")
            echo(f"{mark:9}{check.name:14}{check.detail}")
    if any(not check.ok and not check.optional for check in checks):
        raise typer.Exit(1)
