"""What ``wsiseg segment`` prints at its end: results, failures, counts, and how to go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wsiseg.cli.printing import Json, echo
from wsiseg.cli.progress import ConsoleListener, describe_result
from wsiseg.cli.typed import typed_again
from wsiseg.store.cohort import COHORT
from wsiseg.store.disk import free_bytes
from wsiseg.store.outputs import OutputFiles
from wsiseg.text import describe_bytes, describe_seconds, plural
from wsiseg.tiling.slides import slide_name

_SAID = {
    "ok": "done",
    "failed": "failed",
    "interrupted": "interrupted",
    "skipped": "skipped",
    "planned": "planned",
}
"""Each status in words, in the order in which they are counted."""


def print_results(
    entries: Sequence[Json], runs: Sequence[dict[str, Any]], folder: Path, *, total: int
) -> None:
    """Print the summary of each finished slide to stdout; of several, failures and counts as well.

    Parameters
    ----------
    entries : sequence of dict
        What became of the slides.
    runs : sequence of dict
        The content of the run files of those that are finished.
    folder : Path
        The output folder.
    total : int
        How many slides were asked for.
    """
    done = {entry["mask"] for entry in entries if entry["status"] == "ok" or total == 1}
    for run in runs:
        summary = run["summary"]
        if summary["mask"] in done:
            name = _output_of(summary["mask"])
            echo(*describe_result(run), f"per tile    {OutputFiles(folder, name).tiles}")
    if total > 1:
        for status in ("skipped", "failed", "interrupted"):
            for entry in entries:
                if entry["status"] == status:
                    echo(f"{_SAID[status]:<12}{entry['slide']}{_reason(entry)}")
        echo(f"slides      {_count(entries, total)}, see {folder / COHORT}")


def print_forecasts(entries: Sequence[Json], folder: Path) -> None:
    """Print what a dry run has found to stdout.

    Parameters
    ----------
    entries : sequence of dict
        Of the slides.
    folder : Path
        The output folder.
    """
    planned = [entry for entry in entries if entry["status"] == "planned"]
    for entry in entries:
        said = f"{_SAID[entry['status']]:<12}{entry['slide']}"
        if entry["status"] == "planned":
            echo(
                f"{said}: {plural(entry['tiles'], 'tile')}, {entry['megapixels']:.1f} Mpx, about "
                f"{describe_seconds(entry['seconds'])}, {_megabytes(entry['memory_mb'])} of "
                f"memory, {_megabytes(entry['disk_mb'])} on disk"
            )
        else:
            echo(f"{said}{_reason(entry)}")
    if planned:
        free = free_bytes(folder)
        seconds = sum(entry["seconds"] for entry in planned)
        memory = max(entry["memory_mb"] for entry in planned)
        disk = sum(entry["disk_mb"] for entry in planned)
        echo(
            f"slides      {_count(entries, len(entries))}: about {describe_seconds(seconds)}, "
            f"{_megabytes(memory)} of memory, {_megabytes(disk)} on disk"
            + ("" if free is None else f" ({describe_bytes(free)} free)")
        )
    echo("nothing was written")


def tell_how_to_go_on(entries: Sequence[Json], total: int, listener: ConsoleListener) -> str:
    """Print what is done after an interruption, and the command to type; return the hint.

    Parameters
    ----------
    entries : sequence of dict
        What became of the slides so far.
    total : int
        How many slides were asked for.
    listener : ConsoleListener
        Prints it.

    Returns
    -------
    str
        Empty if there is nothing to go on with.
    """
    if total > 1:
        listener.noted(_count(entries, total))
    done = any(entry["status"] == "ok" for entry in entries)
    begun = any("--resume" in str(entry["error"]) for entry in entries)
    if not (done or begun):
        return ""
    listener.noted(f"to continue, type: {typed_again('--resume', without=['--overwrite'])}")
    return "Continue with --resume."


def _count(entries: Sequence[Json], total: int) -> str:
    """Return how many slides there are of each status."""
    counts = Counter(entry["status"] for entry in entries)
    parts = [f"{counts[status]} {said}" for status, said in _SAID.items() if counts[status]]
    if total > len(entries):
        parts.append(f"{total - len(entries)} not begun")
    return f"{plural(total, 'slide')}: {', '.join(parts)}"


def _reason(entry: Json) -> str:
    if entry["error"]:
        return f": {entry['error']}"
    why = [text for text in entry["warnings"] if text.startswith("skipped: ")]
    said = why[-1].removeprefix("skipped: ") if why else "it is finished"
    return f": {said}" if entry["status"] == "skipped" else ""


def _output_of(mask: str) -> str:
    """Return the name of the output whose mask lies at a place, inside an image or not."""
    store = next(part for part in reversed(Path(mask).parts) if part.endswith(".ome.zarr"))
    return slide_name(Path(store))


def _megabytes(size: float) -> str:
    return describe_bytes(int(size * 1e6))
