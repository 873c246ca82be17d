"""A process that reads files, and may die of them."""

import json
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

PATIENCE = 300
"""Seconds for one file, on a machine that does other work as well."""


class Worker:
    """A process that reads files and tells how it went; a fault may be planted in it."""

    def __init__(self, folder: Path, fault: str = "") -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("reading_worker.py")), fault],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def read(self, name: str, content: bytes, reader: str | None) -> dict[str, Any]:
        """Let it read a file; fails if it dies of that or never comes back."""
        assert self._process.stdin
        assert self._process.stdout
        path = self._folder / name
        path.write_bytes(content)
        print(json.dumps({"path": str(path), "reader": reader}), file=self._process.stdin)
        self._process.stdin.flush()
        answered, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        assert answered, f"{name} is still being read after {PATIENCE} s"
        line = self._process.stdout.readline()
        assert line, f"the process died of {name}: {self._process.wait()}"
        return json.loads(line)

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
