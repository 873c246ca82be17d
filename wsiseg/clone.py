"""Imports from a git clone: the rooms lie beside this folder, and come from there only.

An editable installation names one clone.  Run from within another one, Python would take ``wsiseg``
from the folder at hand and the other rooms from the clone that is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

ROOMS = ("tiling", "models", "viewer")
"""What stands beside ``wsiseg`` in a clone, and inside it once installed."""

_PACKAGE = Path(__file__).absolute().parent


class _RoomFinder(MetaPathFinder):
    """Finds the rooms of one clone.

    Parameters
    ----------
    root : Path
        The clone's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        parent, _, room = fullname.rpartition(".")
        if parent != "wsiseg" or room not in ROOMS:
            return None
        folder = self._root / room
        if not (folder / "__init__.py").is_file():
            msg = f"{fullname} is not in the clone that wsiseg was imported from: no {folder}"
            raise ModuleNotFoundError(msg, name=fullname)
        return spec_from_file_location(
            fullname, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )


def import_rooms_from_this_clone() -> None:
    """Import all rooms from the clone that this file lies in, if it lies in one."""
    installed = any((_PACKAGE / room).is_dir() for room in ROOMS)
    if not installed:
        sys.meta_path.insert(0, _RoomFinder(_PACKAGE.parent))
