"""Reads YAML files that people write, with limits on size, depth and aliases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from wsiseg.text import decode_text

_MOST_BYTES = 1 << 18
_DEEPEST = 50


class _PlainLoader(yaml.SafeLoader):  # type: ignore[misc]
    """Refuses aliases, of which a few lines expand to gigabytes, and deep nesting."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not understood")
        self.depth += 1
        if self.depth > _DEEPEST:
            raise yaml.YAMLError("it is nested too deeply")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def compose_yaml(path: Path) -> yaml.Node | None:
    """Parse a YAML or JSON file into nodes; return None if it is empty.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not text, too long, or not YAML; the message says why, in one line.
    """
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES >> 10} KiB")
    try:
        text = decode_text(data)
        if path.suffix.lower() == ".json":
            # JSON is YAML but for tabs, which its strings cannot hold.
            text = text.replace("\t", " ")
        return yaml.compose(text, Loader=_PlainLoader)
    except UnicodeDecodeError as error:
        raise ValueError("it is not text in UTF-8") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def load_yaml(path: Path) -> Any:
    """Return the content of a YAML or JSON file.

    Raises
    ------
    OSError, ValueError
        As :func:`compose_yaml`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "config.yaml")
    ...     _ = path.write_text("tile: 512")
    ...     load_yaml(path)
    {'tile': 512}
    """
    node = compose_yaml(path)
    try:
        return None if node is None else yaml.SafeLoader("").construct_document(node)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
