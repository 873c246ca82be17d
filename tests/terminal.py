"""A terminal of a hundred columns: real commands in it, and pictures of what it shows."""

import os
import pty
import re
import shlex
import subprocess
import sys
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

from commands import run

COLUMNS = 100
_SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")
_FONT = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf"
_INK, _GROUND, _PROMPT = (222, 222, 222), (24, 26, 30), (120, 200, 130)
_SIZE, _LINE, _MARGIN = 15, 20, 12


@dataclass(frozen=True)
class Shown:
    """What a command left on the terminal."""

    command: str
    status: int
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class Desk:
    """A folder in which somebody works, and what the terminal shows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[Shown] = []

    def enter(self, *words: object, typed: bool = False) -> Shown:
        """Give a command, inside the test's process unless it is to be typed on a terminal."""
        shown = (type_command if typed else _call)(*words, folder=self.folder)
        self.told.append(shown)
        return shown

    def keep(self, screens: Any, name: str) -> None:
        """Keep what was told since the last time."""
        draw_terminal(self.told, screens.path(name))
        self.told.clear()


def _call(*words: object, folder: Path) -> Shown:
    with chdir(folder):
        found = run(*words)
    command = shlex.join(["wsiseg", *map(str, words)])
    return Shown(command, found.status, (found.err + found.out).splitlines())


def type_command(*words: object, folder: Path) -> Shown:
    """Type a command of wsiseg in a folder, on a terminal."""
    typed = [str(word) for word in words]
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "wsiseg", *typed],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=folder,
        env={**os.environ, "TERM": "xterm", "COLUMNS": str(COLUMNS), "LINES": "50"},
    )
    os.close(slave)
    said = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            # So Linux says that nobody writes there any more.
            break
        if not part:
            break
        said += part
    os.close(master)
    status = process.wait()
    return Shown(shlex.join(["wsiseg", *typed]), status, lay_out(said.decode("utf-8", "replace")))


def lay_out(said: str) -> list[str]:
    """Return the lines that stand on the terminal in the end, without colours."""
    lines, row, column = [""], 0, 0
    place = 0
    while place < len(said):
        found = _SEQUENCE.match(said, place)
        if found is not None:
            number, kind = found.groups()
            place = found.end()
            if kind == "A":
                row = max(0, row - int(number or 1))
            elif kind == "K":
                lines[row] = "" if number == "2" else lines[row][:column]
            continue
        letter, place = said[place], place + 1
        if letter == "\r":
            column = 0
        elif letter == "\n":
            row, column = row + 1, 0
            lines += [""] * (row == len(lines))
        else:
            lines[row] = lines[row][:column].ljust(column) + letter + lines[row][column + 1 :]
            column += 1
    while lines and not lines[-1].strip():
        lines.pop()
    return [line.rstrip() for line in lines]


def draw_terminal(commands: list[Shown], picture: Path) -> None:
    """Draw commands, and what they left, as a terminal shows them."""
    rows = []
    for each in commands:
        rows += [(part, _PROMPT) for part in _wrap(f"$ {each.command}")]
        rows += [(part, _INK) for line in each.lines for part in _wrap(line)]
    font = ImageFont.truetype(_FONT, _SIZE)
    width = round(font.getlength("M" * COLUMNS)) + 2 * _MARGIN
    image = Image.new("RGB", (width, len(rows) * _LINE + 2 * _MARGIN), _GROUND)
    canvas = ImageDraw.Draw(image)
    for number, (text, colour) in enumerate(rows):
        canvas.text((_MARGIN, _MARGIN + number * _LINE), text, colour, font)
    image.save(picture)


def _wrap(line: str) -> list[str]:
    return [line[start : start + COLUMNS] for start in range(0, max(1, len(line)), COLUMNS)]
