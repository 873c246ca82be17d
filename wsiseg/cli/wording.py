"""What the library calls a parameter, the command line calls an option."""

from __future__ import annotations

import re

_PARAMETER = re.compile(r"`([a-z_]+)(?:=(\w+))?`")


def in_options(text: str) -> str:
    """Write the parameters that an error names as options: `slide_mpp` as ``--slide-mpp``."""
    return _PARAMETER.sub(_option, text)


def _option(parameter: re.Match[str]) -> str:
    name, value = parameter.groups()
    return f"--{name.replace('_', '-')}" + (f" {value}" if value else "")
