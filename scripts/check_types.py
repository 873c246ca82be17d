"""Run mypy over the view of the package, and see that it looked at every file.

Without the view mypy passes by checking next to nothing; hence the count.

    python scripts/check_types.py build/view
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


def check_types(view: Path) -> int:
    """Return mypy's exit status, or 1 if it missed files."""
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "-p", "wsiseg"],
        env=os.environ | {"MYPYPATH": str(view)},
        capture_output=True,
        text=True,
        check=False,
    )
    print(run.stdout + run.stderr, end="")
    if run.returncode:
        return run.returncode
    package = view / "wsiseg"
    files = sum(
        len(list(entry.resolve().rglob("*.py"))) if entry.is_dir() else entry.suffix == ".py"
        for entry in package.iterdir()
    )
    found = re.search(r"in (\d+) source files", run.stdout)
    if not found or int(found[1]) != files:
        print(f"mypy saw {found and found[1]} of {files} files")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(check_types(Path(sys.argv[1])))
