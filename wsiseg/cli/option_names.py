"""Replaces names of parameters in messages by those of command-line options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_PARAMETER = re.compile(r"`([a-z_]+)(?:=([\w.]+))?`")

_options: dict[str, str] = {}


def set_option_names(options: Mapping[str, str]) -> None:
    """Set the option names of the command that is run, for :func:`name_options`.

    Parameters
    ----------
    options : mapping of str to str
        ``{"slide_mpp": "--slide-mpp", "arguments": "--set"}``, for instance.
    """
    _options.clear()
    _options.update(options)


def name_options(text: str) -> str:
    """Replace parameters in backticks by options: `slide_mpp` by ``--slide-mpp``.

    Anything else in backticks, a class called `gland` for instance, stays as it is.

    Parameters
    ----------
    text : str
        A message of the library.

    Examples
    --------
    >>> set_option_names({"slide_mpp": "--slide-mpp", "level": "--level"})
    >>> name_options("Give one with `slide_mpp`, or work at `level=0`.")
    'Give one with --slide-mpp, or work at --level 0.'
    >>> set_option_names({})
    """
    return _PARAMETER.sub(_option, text)


def offered(texts: Iterable[str]) -> list[str]:
    """Return the texts whose parameters are options of the command, with those in their place.

    Parameters
    ----------
    texts : iterable of str
        Texts of the library.

    Examples
    --------
    >>> set_option_names({"readers": "--readers"})
    >>> offered(["more `readers`", "a faster disk", "a coarser `mpp`"])
    ['more --readers', 'a faster disk']
    >>> set_option_names({})
    """
    return [
        name_options(each)
        for each in texts
        if all(found[1] in _options for found in _PARAMETER.finditer(each))
    ]


def _option(parameter: re.Match[str]) -> str:
    name, value = parameter.groups()
    if name not in _options:
        return parameter[0]
    return _options[name] + (f" {value}" if value else "")
