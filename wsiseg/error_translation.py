"""Exceptions of libraries become errors of ours, where the library is called.

Damaged input makes libraries raise any exception, and which one changes with their versions.  So
:func:`translate_errors` catches them all, and says what went wrong, where, and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wsiseg.errors import WsisegError

_LONGEST = 300
"""Characters of a library's message that are handed on: some quote the whole input."""


@contextmanager
def translate_errors(make: Callable[[str], WsisegError]) -> Iterator[None]:
    """Turn any exception of a library into an error of ours; a WsisegError passes unchanged.

    Parameters
    ----------
    make : callable
        Takes the reason as text, see :func:`reason`, and returns the error to raise.

    Raises
    ------
    WsisegError
        What `make` returned.

    Examples
    --------
    >>> from wsiseg.errors import SlideError
    >>> with translate_errors(lambda why: SlideError(f"the slide cannot be read: {why}", "a.svs")):
    ...     {}["levels"]
    Traceback (most recent call last):
    ...
    wsiseg.errors.SlideError: the slide cannot be read: 'levels' is missing (a.svs).
    """
    try:
        yield
    except WsisegError:
        raise
    except Exception as error:
        raise make(reason(error)) from error


def reason(error: BaseException) -> str:
    """Return the cause of an exception in one line, without error numbers of the system."""
    match error:
        case MemoryError():
            return "there is not enough memory"
        case RecursionError():
            return "it is nested too deeply"
        case UnicodeError():
            return "it is not text of the encoding that it should have"
        case KeyError():
            text = f"{error} is missing"
        case OSError(strerror=str(text)):
            pass
        case _:
            text = str(error)
    text = " ".join(text.split()) or type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
