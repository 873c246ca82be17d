"""The table that ``wsiseg evaluate --compare`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_uppercase
from typing import Any

from wsiseg.text import escape_unprintable

_SCORES = (("Dice", "class_dice", "mean_dice"), ("IoU", "class_iou", "miou"))


def describe_comparison(scores: dict[str, Any]) -> list[str]:
    """Return the lines of a comparison: a table for each checkpoint but the first.

    Parameters
    ----------
    scores : dict
        As :func:`wsiseg.training.score_each` returns them.
    """
    entries = [scores, *scores["compared"]]
    letters = [_letter(number) for number in range(len(entries))]
    named = list(zip(letters, entries, strict=True))
    interval = scores["interval"]
    lines = [f"{letter}  {entry['checkpoint']}" for letter, entry in named]
    for letter, entry in named[1:]:
        lines += _table(scores, entry, letter, interval["level"])
    lines += ["", f"{interval['units']}, {scores['pixels'] / 1e6:.2f} Mpx"]
    if interval["remark"] is not None:
        lines.append(interval["remark"])
    return lines


def _letter(number: int) -> str:
    """Return A to Z, then A1, B1 and so on."""
    rounds, place = divmod(number, len(ascii_uppercase))
    return f"{ascii_uppercase[place]}{rounds or ''}"


def _table(
    first: dict[str, Any], second: dict[str, Any], letter: str, level: float
) -> Iterator[str]:
    """Yield a line per score and class of two checkpoints, with their difference."""
    names = list(first["class_dice"])
    width = max(len(escape_unprintable(name)) for name in [*names, "class"]) + 2
    for title, by_class, mean in _SCORES:
        yield ""
        head = f"{title + ' A':>9}{f'{title} {letter}':>9}{f'{letter} - A':>10}"
        yield f"{'class':{width}}{head}{f'{100 * level:g} % interval':>22}"
        rows = [(name, *(each[by_class][name] for each in (first, second))) for name in names]
        rows.append(("mean", first[mean], second[mean]))
        gaps = second["difference"]
        differences = [*(gaps[by_class][name] for name in names), gaps[mean]]
        for (name, *pair), difference in zip(rows, differences, strict=True):
            figures = "".join(f"{_figure(value):>9}" for value in pair)
            yield f"{escape_unprintable(name):{width}}{figures}{_difference(difference)}"


def _difference(found: dict[str, float | None]) -> str:
    low, high = found["low"], found["high"]
    ends = "-" if low is None or high is None else f"{low:+.4f} to {high:+.4f}"
    return f"{_figure(found['value'], '+'):>10}{ends:>22}"


def _figure(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.4f}"
