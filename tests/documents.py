"""Run what the pages of the documentation tell their readers to type.

A mark is a comment of HTML above a block, which readers of the site do not see::

    <!-- not run: it needs a GPU -->     why nobody runs it; without a reason it is an error
    <!-- long -->                        it runs in `make test-long`
    <!-- file: classes.yaml -->          the block is a file that commands of the page read

Lines of ``console`` that begin with ``$`` are typed, in this process where it is ``wsiseg``; what
stands below is printed by it, up to its numbers.  ``…`` stands for what is left out, and a command
fails where a line with ``error:`` stands below it, and only there.
"""

import ast
import json
import re
import runpy
import shlex
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt

from commands import run
from wsiseg.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(r"<!--\s*(not run|long|file)\b(:\s*)?(.*?)\s*-->", re.DOTALL)
OUTPUT_OPTIONS = ("-o", "--output")


class PageError(AssertionError):
    """Something on a page is not as it says."""


@dataclass(frozen=True)
class Block:
    """A block of code: its language, its text, the line where it begins, and its marks."""

    language: str
    text: str
    line: int
    marks: Mapping[str, str]

    @property
    def is_long(self) -> bool:
        return "long" in self.marks

    def check(self) -> None:
        """Raise unless it can be run, or says why not."""
        if "not run" in self.marks:
            if not self.marks["not run"]:
                raise PageError(f"line {self.line}: a mark needs a reason, `not run: REASON`")
            return
        if self.marks.get("file") == "":
            raise PageError(f"line {self.line}: a mark needs a name, `file: NAME`")
        if self.language not in RUNNERS:
            raise PageError(f"line {self.line}: nothing runs {self.language or 'a block'!r}")


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page, indented ones as such without a language."""
    blocks, marks = [], {}
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            marks |= {name: reason for name, _, reason in MARK.findall(token.content)}
        elif token.type in {"fence", "code_block"}:
            text = re.sub(r'^--8<-- "(.*?)(?::(\w+))?"$', _part, token.content, flags=re.MULTILINE)
            blocks.append(Block(token.info.strip(), text, token.map[0] + 1, marks))
            marks = {}
        else:
            marks = {}
    return blocks


def _part(found: re.Match[str]) -> str:
    """Return a file of the repository that a page includes, or a section of it."""
    text = (ROOT / found[1]).read_text(encoding="utf-8")
    if found[2] is not None:
        _, text = text.split(f"# --8<-- [start:{found[2]}]\n")
        text, _ = text.split(f"# --8<-- [end:{found[2]}]\n")
    return text.strip()


@dataclass
class Reader:
    """Whoever follows a page: a folder, names that Python knows, and files to begin with.

    Parameters
    ----------
    folder : Path
        Where the reader types.
    shelf : mapping of str to callable
        Of files and folders that pages speak of, what makes them: it is called with the path.
    """

    folder: Path
    shelf: Mapping[str, Callable[[Path], object]]
    files: dict[str, str] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})

    def follow(self, block: Block) -> None:
        """Do what a block says; of what is not run, look whether commands are understood."""
        if "not run" in block.marks:
            if block.language == "console":
                for command, _ in _commands(block.text):
                    understand(command)
            return
        if "file" in block.marks:
            self.files[block.marks["file"]] = block.text
            if block.language == "python":
                compile(block.text, block.marks["file"], "exec")
                return
        for name, text in self.files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        RUNNERS[block.language](block.text, self)

    def lay(self, words: Iterable[str]) -> None:
        """Put there what is read, unless it is there already."""
        for word in words:
            first = word.removeprefix("./").partition("/")[0]
            if first in self.shelf and not (self.folder / first).exists():
                self.shelf[first](self.folder / first)


def inline_code(page: Path) -> Iterator[str]:
    """Yield what stands between backticks, in tables too."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        for part in token.children or ():
            if part.type == "code_inline":
                yield part.content


def emphasised(page: Path) -> Iterator[str]:
    """Yield what is written in bold or italic letters."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        inside: str | None = None
        for part in token.children or ():
            if part.type in ("em_open", "strong_open"):
                inside = ""
            elif part.type in ("em_close", "strong_close") and inside is not None:
                yield inside
                inside = None
            elif inside is not None:
                inside += " " if part.type == "softbreak" else part.content


def known_options() -> set[str]:
    """Return the options of all commands."""
    commands = [entry.load(name) for name, entry in COMMANDS.items()]
    commands += [sub for each in commands for sub in getattr(each, "commands", {}).values()]
    return {
        name
        for each in commands
        for option in each.params
        for name in (*option.opts, *option.secondary_opts)
    }


def understand(command: str) -> None:
    """Raise unless the command line knows the options of a command."""
    typed = re.sub(r"^(\w+=\S+ )+", "", command.removesuffix(" &"))
    program, *words = words_of(typed)
    if program != "wsiseg":
        return
    name, *rest = words
    known = COMMANDS[name].load(name)
    while hasattr(known, "commands"):
        name, *rest = rest
        known = known.commands[name]
    known.make_context(name, rest)


def words_of(command: str) -> list[str]:
    """Return what a shell makes of a command and of the comment behind it."""
    return shlex.split(re.sub(r"\s+#\s.*", "", command))


def _run_console(text: str, reader: Reader) -> None:
    for command, shown in _commands(text):
        words = words_of(command)
        reader.lay(_inputs(words))
        fails = any(line.startswith("error: ") for line in shown)
        status, printed = _PROGRAMS.get(words[0], _unknown)(words, reader)
        if (status != 0) is not fails:
            raise PageError(f"`{command}` ended with {status}:\n{printed}")
        _compare(command, shown, printed)


def _commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what is typed, and the lines that are shown below."""
    parts = re.split(r"^\$ ", text.replace("\\\n", " "), flags=re.MULTILINE)
    if parts[0].strip():
        raise PageError(f"no `$` before {parts[0].splitlines()[0]!r}")
    for part in parts[1:]:
        command, *shown = part.splitlines()
        yield command, [line for line in shown if line.strip()]


def _inputs(words: list[str]) -> Iterator[str]:
    """Yield the words that may name what is read."""
    for before, word in zip(["", *words], words, strict=False):
        if before not in OUTPUT_OPTIONS:
            yield word


def _compare(command: str, shown: list[str], printed: str) -> None:
    """Raise unless all that is shown was printed, in that order, up to the numbers."""
    lines = iter([_plain(line) for line in printed.splitlines()])
    for line in shown:
        start, left_out, _ = _plain(line).partition("…")
        if not any(each.startswith(start) if left_out else each == start for each in lines):
            raise PageError(f"`{command}` did not print {line!r}, but\n{printed}")


def _plain(line: str) -> str:
    return " ".join(re.sub(r"\d+(?:[.,]\d+)*", "0", line).split())


def _wsiseg(words: list[str], _: Reader) -> tuple[int, str]:
    outcome = run(*words[1:])
    return outcome.status, outcome.err + outcome.out


def _pip(words: list[str], _: Reader) -> tuple[int, str]:
    """Check that what is installed exists: our extras and our folders."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for word in words[2:]:
        ours = re.fullmatch(r"(?:wsiseg|\.)\[(.*)\]", word)
        missing = set(ours[1].split(",") if ours else ()) - set(project["optional-dependencies"])
        if missing or ("/" in word and not (ROOT / word).exists()):
            raise PageError(f"there is nothing like {word!r} to install")
    return 0, ""


def _make(words: list[str], _: Reader) -> tuple[int, str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    if not re.search(rf"^{re.escape(words[1])}:", makefile, re.MULTILINE):
        raise PageError(f"`make {words[1]}` makes nothing")
    return 0, ""


def _python(words: list[str], reader: Reader) -> tuple[int, str]:
    """Run a line or a file of the page; scripts of the repository are run by tests of theirs."""
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        if words[1] == "-c":
            exec(words[2], {"__name__": "__main__"})
        elif words[1] in reader.files:
            runpy.run_path(words[1], run_name="__main__")
        elif not (ROOT / words[1]).is_file():
            raise PageError(f"there is no {words[1]}")
    return 0, out.getvalue()


def _unknown(words: list[str], _: Reader) -> tuple[int, str]:
    raise PageError(f"nothing runs `{words[0]}`")


_PROGRAMS = {"wsiseg": _wsiseg, "pip": _pip, "make": _make, "python": _python}


def _run_python(text: str, reader: Reader) -> None:
    """Run statements one by one, each with the files that it names before it."""
    for statement in ast.parse(text).body:
        written = {
            id(node.value)
            for node in ast.walk(statement)
            if isinstance(node, ast.keyword) and node.arg == "output"
        }
        reader.lay(
            node.value
            for node in ast.walk(statement)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in written
        )
        exec(compile(ast.Module([statement], []), "<page>", "exec"), reader.names)


RUNNERS: Mapping[str, Callable[[str, Reader], object]] = {
    "console": _run_console,
    "python": _run_python,
    "json": lambda text, _: json.loads(text),
    "yaml": lambda text, _: yaml.safe_load(text),
    "toml": lambda text, _: tomllib.loads(text),
}
