"""What the library calls a parameter, the command line calls an option."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PARAMETER = re.compile(r"`([a-z_]+)(?:=([\w.]+))?`")

_options: dict[str, str] = {}


def set_option_names(options: Mapping[str, str]) -> None:
    """Say which command is run: what the options are called that belong to its parameters.

    Parameters
    ----------
    options : mapping of str to str
        ``{"slide_mpp": "--slide-mpp", "arguments": "--set"}``, for instance.
    """
    _options.clear()
    _options.update(options)


def name_options(text: str) -> str:
    """Write the parameters that a text names as options: `slide_mpp` as ``--slide-mpp``.

    What is no parameter of the command, a class called `gland` for instance, stays as it is.
    """
    return _PARAMETER.sub(_option, text)


def _option(parameter: re.Match[str]) -> str:
    name, value = parameter.groups()
    if name not in _options:
        return parameter[0]
    return _options[name] + (f" {value}" if value else "")
