"""Shows the progress of a run in the terminal, and summarises its plan and result."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.status import Status
from rich.text import Text

from wsiseg.cli.option_names import name_options, offered
from wsiseg.cli.printing import Terminal, echo_traceback
from wsiseg.errors import WsisegError
from wsiseg.segmentation.job import Job
from wsiseg.segmentation.listener import Listener
from wsiseg.store.disk import Json
from wsiseg.text import describe_bytes, describe_sizes, plural
from wsiseg.throughput.summary import ADVICE, STAGES

_PAUSE = 10.0
"""Seconds between progress lines where there is no terminal for a bar."""


class ConsoleListener(Listener):
    """Prints progress to stderr; stdout is for results only.

    Parameters
    ----------
    quiet : bool
        Print warnings only.
    debug : bool
        Print tracebacks of errors.

    Attributes
    ----------
    runs : list of dict
        What is told at the end, of the run files of the slides that are done.
    """

    def __init__(self, *, quiet: bool, debug: bool = False) -> None:
        self.runs: list[dict[str, Any]] = []
        self._debug = debug
        self._console = Terminal()
        self._quiet = quiet
        self._bar: Progress | None = None
        self._status: Status | None = None
        self._tiles = self._wanted = 0
        self._pixels = 0
        self._start = self._spoken = time.monotonic()

    def began(self, stage: str) -> None:
        """Show a spinner beside the stage, or print it where there is no terminal."""
        self.stop()
        self._spoken = time.monotonic()
        if self._quiet:
            return
        if not self._console.is_terminal:
            self._console.echo(f"  {stage}")
        else:
            self._status = self._console.spinner(f"  {stage}")
            self._status.start()

    def turned_to(self, path: Path, number: int, total: int) -> None:
        """Print which slide of how many is next; see :class:`Listener`."""
        self.stop()
        if total > 1 and not self._quiet:
            self._console.echo(f"slide {number} of {total}: {path.name}")

    def searched(self, share: float) -> None:
        """Show the share searched for tissue, or print it now and then."""
        line = f"  {share:.0%} searched for tissue"
        if self._status is not None:
            self._status.update(line)
        elif not self._quiet and share < 1 and time.monotonic() - self._spoken > _PAUSE:
            self._spoken = time.monotonic()
            self._console.echo(line)

    def planned(self, job: Job) -> None:
        """Print the plan."""
        self.stop()
        if self._quiet:
            return
        for line in describe_plan(job):
            self._console.echo(line)

    def expects(self, tiles: int) -> None:
        """Start the progress bar."""
        self.stop()
        self._tiles, self._pixels, self._wanted = 0, 0, tiles
        self._start = self._spoken = time.monotonic()
        if self._console.is_terminal and tiles and not self._quiet:
            self._bar = Progress(
                TextColumn("  {task.completed}/{task.total} tiles"),
                BarColumn(),
                _RateColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._bar.add_task("tiles", total=tiles)

    def advanced(self, pixels: int) -> None:
        """Move the bar, or print a line now and then."""
        self._tiles += 1
        self._pixels += pixels
        if self._bar is not None:
            task = self._bar.task_ids[0]
            rate = self._pixels / 1e6 / max(1e-9, time.monotonic() - self._start)
            self._bar.update(task, completed=self._tiles, rate=rate)
        elif not self._quiet and time.monotonic() - self._spoken > _PAUSE:
            self._spoken = time.monotonic()
            seconds = self._spoken - self._start
            left = seconds / self._tiles * (self._wanted - self._tiles)
            self._console.echo(
                f"  {self._tiles}/{self._wanted} tiles, {self._tiles / seconds:.1f} tiles/s, "
                f"{self._pixels / 1e6 / seconds:.1f} Mpx/s, {left:.0f} s left"
            )

    def noted(self, text: str) -> None:
        """Print a note."""
        if not self._quiet:
            self._console.echo(f"note: {text}")

    def warned(self, text: str) -> None:
        """Print a warning."""
        self._console.echo(f"warning: {name_options(text)}")

    def finished(self, run: Json) -> None:
        """Remove the progress bar, and keep what the run file says."""
        self.stop()
        # Of a thousand slides, no more than is told of them at the end.
        self.runs.append({part: run[part] for part in ("summary", "shares", "not_analysed")})

    def failed(self, path: Path, error: Exception) -> None:
        """Print which slide failed, and why; see :class:`Listener`."""
        self.stop()
        if self._debug:
            echo_traceback(error)
        text = str(error)
        if not isinstance(error, WsisegError):
            hint = "" if self._debug else " Run again with --debug to see where."
            text = f"unexpected {type(error).__name__}: {error} ({path}).{hint}"
        self._console.echo(f"error: {name_options(' '.join(text.split()))}")

    def stop(self) -> None:
        """Remove the progress bar or the spinner, if there is one."""
        if self._status is not None:
            self._status.stop()
            self._status = None
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed or 0.0
        return Text(f"{speed:.1f} tiles/s  {task.fields.get('rate', 0.0):.1f} Mpx/s")


def describe_plan(job: Job) -> list[str]:
    """Return the lines that summarise a plan."""
    plan, plane, cover = job.plan, job.plan.plane, job.plan.cover
    choice = job.predictor.choice
    scale = "at an unknown scale" if plane.mpp is None else f"at {plane.mpp:g} µm/px"
    how = f"level {plane.level}, {job.slide.reader}" + (", resampled" if plane.resampled else "")
    card = job.predictor.checkpoint.card
    what = f"{job.slide.path.name}: {plane.width}×{plane.height} px {scale} ({how})"
    who = (
        f"  {card.architecture}, {len(card.classes)} classes, on {choice.runtime} "
        f"{choice.precision} ({choice.device}, {plural(choice.threads, 'thread')})"
    )
    turned = f"in {plan.orientations} orientations each, " * (plan.orientations > 1)
    tiles = (
        f"  {plural(len(cover.tiles), 'tile')} of {describe_sizes(cover.shapes)}, {turned}"
        f"halo {cover.halo}, {100 * cover.overlap_share:.0f} % tile overlap, "
        f"about {describe_bytes(plan.memory.total)} of memory needed on top of the program"
    )
    lines = [what, who, tiles]
    if job.fast is not None:
        lines.insert(2, f"  {job.fast.text}")
    if not plan.blocks.are_all and cover.tiles:
        left_out = plane.box.area - plan.blocks.area
        area = f"{left_out / 1e6:.1f} Mpx"
        if plane.mpp is not None:
            area += f" ({left_out * plane.mpp**2 / 1e6:.2f} mm²)"
        ratio = plan.computed_pixels / max(1, plan.wanted_pixels)
        where, wanted = "without tissue", "tissue"
        if plan.regions is not None:
            where, wanted = "outside the regions or without tissue", "regions"
        lines.append(
            f"  {area} {where} are left out; the network runs over {ratio:.2f} times the area of "
            f"the {wanted}"
        )
    lines.append(f"  on disk: {job.disk_need}")
    return lines


def describe_result(run: dict[str, Any]) -> list[str]:
    """Return the lines that summarise a run, from the content of its run file."""
    summary, shares, unseen = run["summary"], run["shares"], run["not_analysed"]
    parts = ", ".join(f"{STAGES[name]} {share:.0%}" for name, share in shares.items())
    found = [entry for entry in summary["classes"] if entry["pixels"]]
    total = sum(entry["pixels"] for entry in found) or 1
    areas = ", ".join(
        f"{entry['name']} {entry['pixels'] / total:.1%}"
        + ("" if entry["mm2"] is None else f" ({entry['mm2']:.3f} mm²)")
        for entry in sorted(found, key=lambda entry: -entry["pixels"])
    )
    limit = str(summary["bottleneck"])
    throughput = (
        f"{summary['megapixels']:.1f} Mpx in {_count(summary['tiles'], 'tile')}, "
        f"{summary['seconds']:.1f} s ({summary['mpx_per_s']:.2f} Mpx/s, "
        f"{summary['tiles_per_s']:.2f} tiles/s), {summary['forward_seconds']:.1f} s of it in "
        f"{summary['runtime']}, peak {summary['peak_rss_mb']:.0f} MiB"
    )
    lines = [
        f"mask        {summary['mask']}",
        f"throughput  {throughput}",
        f"time        {parts}",
        *[f"bottleneck  {STAGES[limit]} ({_advice(limit)})"] * bool(summary["tiles"]),
        f"classes     {areas or 'nothing was analysed'}",
    ]
    if unseen["pixels"]:
        area = "" if unseen["mm2"] is None else f" ({unseen['mm2']:.3f} mm²)"
        size = f"{unseen['pixels'] / 1e6:.1f} Mpx{area}"
        lines.append(f"left out    {size}, 255 in the mask")
    if summary["unread_tiles"]:
        lines.append(f"unread      {summary['unread_tiles']} tiles, see the run file")
    return lines


def _advice(limit: str) -> str:
    """Return what would help where a stage limits, of what the command offers."""
    if not ADVICE[limit]:
        return "normal for small slides"
    *others, last = offered(ADVICE[limit]) or ["nothing that the command offers"]
    return f"{', '.join(others)} or {last} would help" if others else f"{last} would help"


def _count(number: object, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
