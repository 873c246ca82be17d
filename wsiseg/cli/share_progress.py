"""Shows which share of a job is done, if the job takes more than a moment."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from wsiseg.cli.printing import Terminal
from wsiseg.text import escape_unprintable

_MOMENT = 2.0
"""Seconds after which a bar appears."""

_PAUSE = 10.0
"""Seconds between lines where there is no terminal for a bar."""


class ShareProgress:
    """A progress bar on stderr; call it with the share that is done, 0 to 1.

    Parameters
    ----------
    what : str
        What is being done.
    quiet : bool
        Print warnings only.
    """

    def __init__(self, what: str, *, quiet: bool) -> None:
        self._what = what
        self._quiet = quiet
        self._console = Terminal()
        self._bar: Progress | None = None
        self._start = self._spoken = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def __call__(self, share: float) -> None:
        """Move the bar, or print a line now and then."""
        now = time.monotonic()
        if self._quiet or now - self._start < _MOMENT:
            return
        if not self._console.is_terminal:
            if now - self._spoken > _PAUSE:
                self._spoken = now
                self._console.echo(f"  {self._what}: {share:.0%}")
            return
        if self._bar is None:
            self._bar = Progress(
                TextColumn(f"  {escape_unprintable(self._what)}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._bar.add_task(self._what, total=1.0)
        self._bar.update(self._bar.task_ids[0], completed=share)

    def warned(self, text: str) -> None:
        """Print a warning."""
        self._stop()
        self._console.echo(f"warning: {text}")

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
