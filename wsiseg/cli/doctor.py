"""``wsiseg doctor``: what this machine has, and what to do about what is missing."""

from __future__ import annotations

from typing import Annotated

import typer

from wsiseg.cli.options import AsJson, Debug, Quiet
from wsiseg.cli.printing import echo, print_json


def doctor(
    clear_cache: Annotated[
        bool,
        typer.Option(
            "--clear-cache",
            help="Remove what was reckoned once and kept: compiled networks, what they cost.",
            metavar="",
        ),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Check devices, runtimes, readers and versions."""
    if clear_cache:
        _clear_cache(as_json=as_json)
        return

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


def _clear_cache(*, as_json: bool) -> None:
    from wsiseg.models.runtimes.cache import cache_folder, clear_cache

    freed = clear_cache()
    detail = f"{freed / 1e6:.1f} MB removed from {cache_folder()}"
    if as_json:
        checks = [{"name": "cache", "ok": True, "detail": detail}]
        print_json({"checks": checks, "freed_bytes": freed})
    else:
        echo(f"{'ok':9}{'cache':14}{detail}")
