"""Pages of the documentation site that are made of the code: a hook of mkdocs, see ``mkdocs.yml``.

The command reference is made of the commands, the Python reference of the public names; changelog
and contributing lie at the top of the repository.  Links from the docs to files beside them lead to
the repository.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
_log = logging.getLogger("mkdocs.hooks.docs_pages")
REPOSITORY = "https://github.com/wsiseg/wsiseg/blob/main"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here."""
    pages = {
        "commands.md": "\n".join(_commands()),
        "python.md": "\n".join(_python()),
        "changelog.md": _from_top("CHANGELOG.md"),
        "contributing.md": _from_top("CONTRIBUTING.md"),
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead links that leave the docs to the repository."""
    folder = posixpath.dirname(f"docs/{page.file.src_uri}")

    def lead(link: re.Match[str]) -> str:
        target = posixpath.normpath(f"{folder}/{link[1]}")
        if target.startswith("docs/"):
            return link[0]
        if not (ROOT / target).exists():
            _log.warning("%s has a link to %s, which does not exist", page.file.src_uri, target)
        return f"]({REPOSITORY}/{target}"

    return re.sub(r"\]\((\.\./[^)#]+)", lead, markdown)


def _from_top(name: str) -> str:
    text = (ROOT / name).read_text(encoding="utf-8")
    beside = re.sub(r"\]\((?!docs/|https?:|#)", "](../", text)
    return beside.replace("](docs/", "](")


def _commands() -> Iterator[str]:
    """Yield the page on the commands, as ``--help`` tells of them."""
    from wsiseg.cli.app import COMMANDS

    yield "# Commands"
    yield ""
    yield "`wsiseg COMMAND --help` prints the same. Every command takes `--json` (one JSON document"
    yield "on stdout, with errors too), `--quiet` and `--debug`."
    for name, entry in COMMANDS.items():
        command = entry.load(name)
        yield from ("", f"## wsiseg {name}", "", entry.help)
        if entry.example is not None:
            yield from ("", "```console", f"$ {entry.example}", "```")
        subcommands = getattr(command, "commands", None)
        if subcommands is None:
            yield from _options(command)
            continue
        for sub, each in subcommands.items():
            text = (each.help or "").strip().split("\n\n")[0]
            yield from ("", f"### wsiseg {name} {sub}", "", " ".join(text.split()))
            yield from _options(each)


_EVERYWHERE = ("as_json", "quiet", "debug")


def _options(command: Any) -> Iterator[str]:
    context = typer.Context(command)
    panels: dict[str, list[str]] = {}
    for each in command.params:
        if each.name in _EVERYWHERE or getattr(each, "hidden", False):
            continue
        option = each.opts[0].startswith("-")
        panel = getattr(each, "rich_help_panel", None) or ("Options" if option else "Arguments")
        record = each.get_help_record(context) if option else None
        name, text = record or (each.metavar or each.name.upper(), each.help or "")
        text = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
        panels.setdefault(panel, []).append(f"| `{name.strip()}` | {text} |")
    for panel, rows in panels.items():
        yield from ("", f"| {panel} | |", "|---|---|", *rows)


def _python() -> Iterator[str]:
    """Yield the page on the public names, each with its docstring."""
    stubs = (ROOT / "wsiseg" / "__init__.pyi").read_text(encoding="utf-8")
    found = re.findall(r"^from \.(\S*) import (\w+) as \w+$", stubs, re.MULTILINE)
    places = {name: f"wsiseg.{home}.{name}" for home, name in found if home}
    kinds = {
        "Jobs": [name for name in places if name[0].islower()],
        "Objects and options": [
            name for name in places if name[0].isupper() and not name.endswith("Error")
        ],
        "Errors": [name for name in places if name.endswith("Error")],
    }
    yield "# Python"
    yield ""
    yield "All of these are names of `wsiseg` itself: `wsiseg.segment`, `wsiseg.errors.SlideError`."
    for heading, names in kinds.items():
        yield from ("", f"## {heading}")
        for name in sorted(names):
            yield from ("", f"::: {places[name]}")
