"""Errors as the command line tells them: a line on stderr, and an object in JSON."""

from __future__ import annotations

from dataclasses import dataclass

from wsiseg.cli.option_names import name_options
from wsiseg.cli.printing import Json
from wsiseg.errors import WsisegError


@dataclass(frozen=True)
class DescribedError:
    """An error with the options of the command in place of the library's parameters.

    Attributes
    ----------
    line : str
        For people.
    content : dict
        ``what``, ``where``, ``hint`` and ``status``, for programs.
    """

    line: str
    content: Json


def describe_error(error: WsisegError, status: int) -> DescribedError:
    """Return an error in the words of the command line.

    Parameters
    ----------
    error : WsisegError
        Of the library, or of a command.
    status : int
        The exit status that it stands for.
    """
    what, where = name_options(error.what), error.where
    # A file may be called like a parameter.
    place = name_options(where) if isinstance(where, str) else where and str(where)
    hint = name_options(error.hint) if error.hint else None
    line = str(WsisegError(what, place, hint)).replace("?. ", "? ")
    return DescribedError(line, {"what": what, "where": place, "hint": hint, "status": status})
