"""Docstrings as mkdocstrings wants them: an extension of griffe, see ``mkdocs.yml``.

Docstrings name code by Sphinx's roles, which editors know; on the site it is set as code.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":[a-z]+:`[~.]?([^`<]+?)(?:\s*<[^`]*>)?`")


class PlainRoles(griffe.Extension):
    """Sets what a role names as code, and keeps "path-like" from being read as a difference."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one object."""
        if obj.docstring is not None:
            text = _ROLE.sub(r"`\1`", obj.docstring.value)
            obj.docstring.value = text.replace("path-like", "path\N{NON-BREAKING HYPHEN}like")
