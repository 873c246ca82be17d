"""What the library calls a parameter, the command line calls an option."""

from __future__ import annotations

import re

_PARAMETER = re.compile(r"`([a-z_]+)(?:=(\w+))?`")

_OPTIONS: dict[str, str] = {}
"""Options that are not called as the parameter is."""


def name_option(parameter: str, option: str) -> None:
    """Note what the option of a parameter is called."""
    _OPTIONS[parameter] = option


def in_options(text: str) -> str:
    """Write the parameters that an error names as options: `slide_mpp` as ``--slide-mpp``."""
    return _PARAMETER.sub(_option, text)


def _option(parameter: re.Match[str]) -> str:
    name, value = parameter.groups()
    option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
    return option + (f" {value}" if value else "")
