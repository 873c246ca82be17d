"""The viewer of ``wsiseg view``: napari's, in which files of this package find their reader."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import napari
import npe2

from wsiseg.viewer.readers.finder import find_reader, is_drawing

_PLUGIN = "wsiseg"


class OwnViewer(napari.Viewer):  # type: ignore[misc]
    """A napari viewer that does not ask who reads slides, masks and annotations.

    Other readers may take the same endings; in a window for slides it is clear which one is meant.
    napari still asks where the user wants to choose (*File → Open With Plugin*).
    """

    def open(
        self,
        path: Any,
        *,
        stack: Any = False,
        plugin: str | None = "napari",
        layer_type: Any = None,
        **kwargs: Any,
    ) -> list[Any]:
        """Open paths as napari does; slides come before what lies on them.

        Parameters
        ----------
        path, stack, plugin, layer_type, **kwargs
            As :meth:`napari.Viewer.open` takes them.
        """
        paths = [path] if isinstance(path, str | os.PathLike) else list(path)
        if stack or layer_type is not None or plugin not in (None, "napari"):
            return self._open(paths, stack=stack, plugin=plugin, layer_type=layer_type, **kwargs)
        ours = sorted((each for each in paths if _is_ours(Path(each))), key=_place)
        rest = [each for each in paths if each not in ours]
        layers = self._open(ours, plugin=_PLUGIN, **kwargs) if ours else []
        return [*layers, *(self._open(rest, plugin=plugin, **kwargs) if rest else [])]

    def _open(self, paths: list[Any], **kwargs: Any) -> list[Any]:
        layers: list[Any] = super().open(paths, **kwargs)
        return layers


def _is_ours(path: Path) -> bool:
    """Tell whether this package reads a file, as its manifest and its reader say."""
    readers = npe2.PluginManager.instance().iter_compatible_readers([str(path)])
    return find_reader(str(path)) is not None and any(r.plugin_name == _PLUGIN for r in readers)


def _place(path: Any) -> int:
    """Return slides first, then stores, then shapes."""
    return 2 if is_drawing(Path(path)) else int(Path(path).is_dir())
