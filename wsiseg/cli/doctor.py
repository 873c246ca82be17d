"""``wsiseg doctor``: what this machine has, and what to do about what is missing."""

from __future__ import annotations

from typing import Annotated

import typer

from wsiseg.cli.option_names import name_options, set_option_names
from wsiseg.cli.options import AsJson, Debug, Quiet
from wsiseg.cli.printing import Json, echo, print_json


def doctor(
    clear_cache: Annotated[
        bool,
        typer.Option(
            "--clear-cache",
            help="Empty the cache of compiled networks and of what was measured on them.",
        ),
    ] = False,
    bench: Annotated[
        bool,
        typer.Option(
            "--bench",
            help="Time every runtime briefly and say what auto chooses here, and why.",
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
    measured = _measure(quiet=quiet) if bench else {}
    if as_json:
        found = [{"name": c.name, "ok": c.ok, "detail": c.detail} for c in checks]
        print_json({"checks": found, **measured})
    else:
        for check in checks:
            mark = "ok" if check.ok else ("missing" if check.optional else "FAILED")
            echo(f"{mark:9}{check.name:14}{check.detail}")
        if bench:
            _print(measured["bench"])
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


def _measure(*, quiet: bool) -> dict[str, Json]:
    """Return what every runtime does with the default checkpoint, and what auto makes of it."""
    from wsiseg.checkpoints import take_checkpoint
    from wsiseg.cli.share_progress import ShareProgress
    from wsiseg.models.runtimes.choosing import PRECISIONS, choose_runtime
    from wsiseg.models.runtimes.registry import RUNTIMES
    from wsiseg.throughput.runtime_comparison import EDGE, compare_runtimes, explain

    # Those of segment, which the advice is for.
    set_option_names({"runtime": "--runtime", "precision": "--precision"})
    taken = take_checkpoint(None)
    auto = choose_runtime()
    figures = []
    most = len(RUNTIMES) * len(PRECISIONS)
    with ShareProgress("measuring", quiet=quiet) as progress:
        for figure in compare_runtimes(taken.network, taken.card.normalisation, auto):
            figures.append(figure)
            progress(min(len(figures) / most, 1.0))
    return {
        "bench": {
            "checkpoint": taken.name,
            "tile": EDGE,
            "threads": auto.threads,
            "auto": {
                "runtime": auto.runtime,
                "device": auto.device,
                "precision": auto.precision,
            },
            "why": [name_options(line) for line in explain(auto, figures)],
            "measured": [figure.describe() for figure in figures],
        }
    }


def _print(found: Json) -> None:
    echo("", f"{found['checkpoint']} on tiles of {found['tile']}, {found['threads']} threads:")
    for each in found["measured"]:
        chosen = all(each[key] == value for key, value in found["auto"].items())
        rate = "-" if each["mpx_per_s"] is None else f"{each['mpx_per_s']:.2f}"
        words = f"{each['runtime']:10}{each['device']:8}{each['precision']:6}{rate:>8} Mpx/s"
        echo(f"  {words}  {'auto' if chosen else each['why_not'] or ''}".rstrip())
    echo("", *found["why"])
