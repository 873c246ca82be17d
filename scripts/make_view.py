"""Make a folder in which the four rooms look like the installed package.

mypy and import-linter find packages by their place on disk; the repository keeps the rooms at its
top, and links put them where they are imported from.

    python scripts/make_view.py build/view
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("tiling", "models", "viewer")


def make_view(target: Path) -> None:
    """Fill ``target/wsiseg`` with links to the sources."""
    shutil.rmtree(target, ignore_errors=True)
    package = target / "wsiseg"
    package.mkdir(parents=True)
    for entry in sorted((ROOT / "wsiseg").iterdir()):
        if entry.name != "__pycache__":
            (package / entry.name).symlink_to(entry)
    for room in ROOMS:
        if (ROOT / room).is_dir():
            (package / room).symlink_to(ROOT / room)


if __name__ == "__main__":
    make_view(Path(sys.argv[1]))
