"""Reading the small files in which Linux tells of its hardware."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/sys")


def read_text(path: Path) -> str | None:
    """Return the text of a file; None if there is none, or it may not be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None


def read_number(path: Path) -> float | None:
    """Return the number in a file; None if there is none, or it may not be read."""
    text = read_text(path)
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
