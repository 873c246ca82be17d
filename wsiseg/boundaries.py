"""Where a library is called: whatever it raises becomes an error of ours.

Damaged input makes libraries stumble in any way there is, and which exception that is changes with
their versions.  So what stands between :func:`boundary` and the library is caught whole, and told
with what went wrong, where, and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wsiseg.errors import WsisegError

_LONGEST = 300
"""Characters of a library's message that are handed on: some quote the whole input."""


@contextmanager
def boundary(make: Callable[[str], WsisegError]) -> Iterator[None]:
    """Turn what a library raises into an error of ours; those pass as they are.

    Parameters
    ----------
    make : callable
        Makes the error from the reason, see :func:`reason`.
    """
    try:
        yield
    except WsisegError:
        raise
    except Exception as error:
        raise make(reason(error)) from error


def reason(error: BaseException) -> str:
    """Return why something failed, in one line, without numbers of the system's."""
    match error:
        case MemoryError():
            return "there is not enough memory"
        case RecursionError():
            return "it is nested too deeply"
        case UnicodeError():
            return "it is no text of the encoding that it should have"
        case KeyError():
            text = f"{error} is missing"
        case OSError(strerror=str(text)):
            pass
        case _:
            text = str(error)
    text = " ".join(text.split()) or type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
