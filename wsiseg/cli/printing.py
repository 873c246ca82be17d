"""Prints everything: results to stdout, progress, warnings and errors to stderr.

Names of slides, classes and files are other people's, so every line is passed through
:func:`wsiseg.text.escape_unprintable`; JSON is ASCII.  Characters that a stream cannot encode are
escaped, and streams that are closed or full are handled in one place, :class:`_Stream`.  With
--json, the document has stdout to itself: whatever else is printed goes to stderr.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

from rich.console import Console
from rich.status import Status
from rich.text import Text

from wsiseg.errors import OutputError
from wsiseg.remote.addresses import mask_all
from wsiseg.text import dump_json, escape_unprintable
from wsiseg.wording import name_options_in

Json = dict[str, Any]

BROKEN_PIPE = 141
"""Exit status if the reader of stdout has closed the pipe, as `head` does: 128 and SIGPIPE."""


def echo(*lines: str) -> None:
    """Print lines of a result to stdout."""
    for line in lines:
        print(escape_unprintable(line), file=sys.stdout, flush=True)  # noqa: T201


def echo_error(line: str) -> None:
    """Print a line to stderr."""
    print(escape_unprintable(line), file=sys.stderr)  # noqa: T201


def echo_traceback(error: BaseException) -> None:
    """Print the traceback of an exception to stderr; libraries quote addresses as they were."""
    for lines in traceback.format_exception(error):
        # A message may contain what other programs take for the end of a line.
        for line in lines.rstrip("\n").split("\n"):
            echo_error(mask_all(line))


_begun: list[Json] = []
_documents: list[_Stream] = []


def begin_json(content: Json) -> None:
    """Set what the JSON document contains even if the command fails before its end."""
    _begun[:] = [content]


def print_json(content: object) -> None:
    """Print the JSON document of a command to stdout."""
    _begun.clear()
    _print_document(dump_json(name_options_in(content), indent=2))


def print_json_line(content: Json) -> None:
    """Print a JSON object as one line to stdout."""
    _print_document(dump_json(name_options_in(content)))


def _print_document(text: str) -> None:
    print(text, file=_documents[0] if _documents else sys.stdout, flush=True)


def print_json_error(error: Json) -> None:
    """Print the JSON document of a command that failed, unless one was printed before."""
    if _documents and _documents[0].used:
        return
    # The error is on stderr already.
    with contextlib.suppress(OutputError):
        print_json({**(_begun[0] if _begun else {}), "error": error})


class Terminal(Console):
    """The terminal on stderr, for lines, progress bars and spinners."""

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def echo(self, line: str) -> None:
        """Print a line."""
        self.print(escape_unprintable(line))

    def spinner(self, line: str) -> Status:
        """Return a spinner beside a line."""
        plain = not self.encoding.lower().startswith("utf")
        return self.status(Text(escape_unprintable(line)), spinner="line" if plain else "dots")


class _Stream:
    """A stream whose write errors become errors of ours.

    Parameters
    ----------
    stream : text stream
        Stdout or stderr.
    vital : bool
        Whether a write error is a failure; otherwise the rest is dropped.
    """

    def __init__(self, stream: TextIO, *, vital: bool) -> None:
        self._stream = stream
        self._vital = vital
        self.used = False
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]

    def write(self, text: str) -> int:
        """Write text."""
        self.used = True
        with self._translated():
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        with self._translated():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._drop_the_rest()
            if not self._vital:
                return
            if isinstance(error, BrokenPipeError):
                raise SystemExit(BROKEN_PIPE) from error
            raise OutputError(f"printing failed: {error.strerror or error}", "stdout") from error

    def _drop_the_rest(self) -> None:
        """Redirect the stream to nowhere, so that the interpreter can flush it at its end."""
        with contextlib.suppress(OSError, ValueError):
            number = self._stream.fileno()
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, number)
            os.close(nothing)


@contextlib.contextmanager
def safe_streams(*, debug: bool, document: bool = False) -> Iterator[None]:
    """Redirect stdout, stderr, warnings and logging of libraries to safe streams.

    Parameters
    ----------
    debug : bool
        Whether to show warnings of Pillow about files.
    document : bool
        Whether stdout is for JSON alone.
    """
    _begun.clear()
    with contextlib.ExitStack() as stack:
        # Where a stream has been closed before, there is none.
        if sys.stderr is not None:
            stack.enter_context(
                contextlib.redirect_stderr(_as_text(_Stream(sys.stderr, vital=False)))
            )
        if sys.stdout is not None:
            stream = _Stream(sys.stdout, vital=True)
            _documents[:] = [stream]
            stack.callback(_documents.clear)
            others = sys.stderr if document else _as_text(stream)
            stack.enter_context(contextlib.redirect_stdout(others))
        stack.enter_context(warnings.catch_warnings())
        if not debug:
            warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        warnings.showwarning = _show_warning
        before, logging.lastResort = logging.lastResort, _LastResort(logging.WARNING)
        stack.callback(setattr, logging, "lastResort", before)
        yield


def _as_text(stream: Any) -> TextIO:
    return stream  # type: ignore[no-any-return]


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    echo_error(f"warning: {category.__name__}: {' '.join(str(message).split())}")


class _LastResort(logging.Handler):
    """Prints log records of libraries that no other handler takes."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        echo_error(f"{record.levelname.lower()}: {' '.join(self.format(record).split())}")
