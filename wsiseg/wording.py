"""Replaces names of parameters in messages by those of command-line options.

In Python there are none, and messages stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

PARAMETER = re.compile(r"`([a-z_]+)(?:=([\w.]+))?`")
"""A name in backticks, with a value or without."""

_SENTENCES = {"error", "warnings", "what", "hint"}
"""Names under which documents hold our own sentences."""

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
    return PARAMETER.sub(_option, text)


def name_options_in(content: Any) -> Any:
    """Replace parameters in the sentences of a document: its errors, warnings and hints.

    Names and paths, which are other people's, stay as they are.

    Parameters
    ----------
    content : object
        What :mod:`json` takes.

    Examples
    --------
    >>> set_option_names({"mpp": "--mpp"})
    >>> name_options_in({"slide": "`mpp`.svs", "warnings": ["far from `mpp`"]})
    {'slide': '`mpp`.svs', 'warnings': ['far from --mpp']}
    >>> set_option_names({})
    """
    return _reword(content, ours=False) if _options else content


def _reword(content: Any, *, ours: bool) -> Any:
    if isinstance(content, Mapping):
        return {name: _reword(value, ours=name in _SENTENCES) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_reword(each, ours=ours) for each in content]
    return name_options(content) if ours and isinstance(content, str) else content


def is_option(name: str) -> bool:
    """Tell whether the command that is run has an option for a parameter."""
    return name in _options


def _option(parameter: re.Match[str]) -> str:
    name, value = parameter.groups()
    if name not in _options:
        return parameter[0]
    return _options[name] + (f" {value}" if value else "")
