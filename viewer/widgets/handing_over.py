"""What widgets hand to each other: paintings to train on, checkpoints to segment with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import napari


@runtime_checkable
class TakesCheckpoint(Protocol):
    """A widget that works with a checkpoint, as *Segment* does."""

    def choose_checkpoint(self, path: Path) -> None:
        """Work with this one from now on."""


@runtime_checkable
class TakesFolders(Protocol):
    """A widget that learns from slides and annotations, as *Fine-tune* does."""

    def use_folders(self, slides: Path, annotations: Path) -> None:
        """Work with these from now on."""


def hand_checkpoint(viewer: napari.viewer.Viewer, checkpoint: Path) -> None:
    """Give a new checkpoint to whoever works with one."""
    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, TakesCheckpoint):
            widget.choose_checkpoint(checkpoint)


def hand_folders(viewer: napari.viewer.Viewer, slides: Path, annotations: Path) -> None:
    """Tell whoever learns where slides and annotations of them lie."""
    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, TakesFolders):
            widget.use_folders(slides, annotations)
