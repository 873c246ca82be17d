"""Shows the progress of training and scoring in the terminal, and their results."""

from __future__ import annotations

import math
import time
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from wsiseg.cli.option_names import name_options
from wsiseg.cli.printing import Terminal
from wsiseg.text import escape_unprintable, plural
from wsiseg.training.listener import Row, TrainingListener

_PAUSE = 10.0
"""Seconds between progress lines where there is no terminal for a bar."""


class ConsoleTrainingListener(TrainingListener):
    """Prints progress to stderr; stdout is for results only.

    Parameters
    ----------
    quiet : bool
        Print warnings only.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._console = Terminal()
        self._quiet = quiet
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._stage = ""
        self._steps = self._epochs = 0
        self._elapsed = 0.0
        self._spoken = time.monotonic()

    def began(self, stage: str) -> None:
        """Print the name of a stage."""
        self.stop()
        self._stage = stage
        if not self._quiet:
            self._console.echo(f"  {stage}")

    def advanced(self, done: int, samples: int) -> None:
        """Move the bar, or print a line now and then; see :class:`TrainingListener`."""
        if self._bar is None:
            self._draw("samples", samples)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=samples)
        elif not self._quiet and time.monotonic() - self._spoken > _PAUSE:
            self._spoken = time.monotonic()
            self._console.echo(f"  {done}/{samples} samples")
        if done == samples:
            self.stop()

    def noted(self, text: str) -> None:
        """Print a note."""
        if not self._quiet:
            self._console.echo(f"note: {name_options(text)}")

    def warned(self, text: str) -> None:
        """Print a warning."""
        self._console.echo(f"warning: {name_options(text)}")

    def expects(self, epochs: int, steps: int, elapsed: float) -> None:
        """Start the progress bar; see :class:`TrainingListener`."""
        self.stop()
        self._epochs, self._steps = epochs, steps
        self._elapsed = elapsed
        if not self._quiet:
            self._console.echo(f"  {plural(epochs, 'epoch')} of {plural(steps, 'step')}")
        self._draw("steps", epochs * steps)

    def stepped(self, epoch: int, step: int, loss: float) -> None:
        """Move the bar, or print a line now and then; see :class:`TrainingListener`."""
        if self._bar is not None:
            self._bar.update(self._task, completed=epoch * self._steps + step)
        elif not self._quiet and time.monotonic() - self._spoken > _PAUSE:
            self._spoken = time.monotonic()
            self._console.echo(f"  epoch {epoch + 1}  step {step}/{self._steps}  loss {loss:.4f}")

    def finished_epoch(self, row: Row, best: float) -> None:
        """Print a line per epoch; see :class:`TrainingListener`."""
        self._spoken = time.monotonic()
        if self._quiet:
            return
        text = f"  epoch {row['epoch']}/{self._epochs}  loss {row['train_loss']:.4f}"
        if row["val_miou"] is not None:
            text += f"  mean IoU {row['val_miou']:.4f} (best {best:.4f})"
        seconds, self._elapsed = row["seconds"] - self._elapsed, row["seconds"]
        self._console.echo(f"{text}  {seconds:.1f} s")

    def _draw(self, what: str, total: int) -> None:
        if self._quiet or not self._console.is_terminal:
            return
        self._bar = Progress(
            TextColumn(f"  {{task.completed}}/{{task.total}} {what}"),
            BarColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(what, total=total)

    def stop(self) -> None:
        """Remove the progress bar, if there is one."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


_SHOWN = {"iou": 8, "dice": 8, "precision": 11, "recall": 8}
"""Scores of classes in the table, and the widths of their columns."""


def describe_scores(scores: dict[str, Any]) -> list[str]:
    """Return the lines of a table of scores: a line per class, then means and totals."""
    boundary = scores.get("boundary_f", {})
    names = list(scores["class_iou"])
    width = max(len(escape_unprintable(name)) for name in [*names, "pixel accuracy"]) + 2
    head = f"{'class':{width}}{'IoU':>8}{'Dice':>8}{'precision':>11}{'recall':>8}" + (
        f"{'border F':>10}" if boundary else ""
    )
    lines = [head]
    for name in names:
        figures = [scores[f"class_{key}"][name] for key in _SHOWN]
        line = f"{escape_unprintable(name):{width}}{_row(figures)}"
        lines.append(line + (f"{_figure(boundary[name]):>10}" if boundary else ""))
    keys = ("miou", "mean_dice", "mean_class_precision", "mean_class_recall")
    line = f"{'mean':{width}}{_row([scores[key] for key in keys])}"
    lines.append(line + (f"{_figure(scores['mean_boundary_f']):>10}" if boundary else ""))
    lines.append("")
    extra = {
        "pixel accuracy": scores["pixel_accuracy"],
        "category IoU": scores.get("category_miou"),
        "object F1": scores.get("object_f1"),
        "object Dice": scores.get("object_dice"),
    }
    lines += [f"{name:{width}}{_figure(v):>8}" for name, v in extra.items() if v is not None]
    lines.append(f"{'images':{width}}{scores['images']:>8}  {scores['pixels'] / 1e6:.2f} Mpx")
    return lines


def _row(values: list[float | None]) -> str:
    widths = _SHOWN.values()
    return "".join(f"{_figure(v):>{width}}" for v, width in zip(values, widths, strict=True))


def _figure(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"
