"""What widgets share with each other: new checkpoints, and folders to train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import napari


@runtime_checkable
class TakesCheckpoint(Protocol):
    """A widget that uses a checkpoint, such as *Segment*."""

    def choose_checkpoint(self, path: Path | str) -> None:
        """Use this checkpoint from now on."""


@runtime_checkable
class TakesFolders(Protocol):
    """A widget that trains on slides and annotations, such as *Fine-tune*."""

    def use_folders(self, slides: Path, annotations: Path) -> None:
        """Use these folders from now on.

        Parameters
        ----------
        slides, annotations : Path
            Folder of slides, and folder of their annotations.
        """


@runtime_checkable
class WritesMasks(Protocol):
    """A widget that writes masks of the slide that is shown, such as *Segment*."""

    @property
    def is_running(self) -> bool:
        """Whether it is at work."""

    def choose_mask_folder(self, folder: Path) -> None:
        """Write masks there from now on."""


def share_mask_folder(viewer: napari.viewer.Viewer, folder: Path) -> None:
    """Pass the folder of masks to every widget that writes some.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The window.
    folder : Path
        Where masks go.
    """
    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, WritesMasks):
            widget.choose_mask_folder(folder)


def working_on_slide(viewer: napari.viewer.Viewer) -> bool:
    """Tell whether a widget is at work on the slide that is shown."""
    widgets = viewer.window.dock_widgets.values()
    return any(isinstance(widget, WritesMasks) and widget.is_running for widget in widgets)


def share_checkpoint(viewer: napari.viewer.Viewer, checkpoint: Path | str) -> None:
    """Pass a checkpoint to every widget that uses one.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The window.
    checkpoint : path-like
        As :func:`wsiseg.load_checkpoint` takes it.
    """
    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, TakesCheckpoint):
            widget.choose_checkpoint(checkpoint)


def share_folders(viewer: napari.viewer.Viewer, slides: Path, annotations: Path) -> None:
    """Pass folders to every widget that trains on some.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The window.
    slides, annotations : Path
        Folder of slides, and folder of their annotations.
    """
    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, TakesFolders):
            widget.use_folders(slides, annotations)
