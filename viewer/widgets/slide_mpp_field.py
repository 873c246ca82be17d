"""Where the µm per pixel of a slide are typed if its file states none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox

from wsiseg.tiling.slides.pixel_size import SANE_MPP
from wsiseg.viewer import scene
from wsiseg.viewer.layers.layer_data import SlideView
from wsiseg.viewer.notifications import errors_notified
from wsiseg.viewer.slide_resolution import can_type_mpp, give_mpp, typed_mpp

if TYPE_CHECKING:
    import napari

_UNKNOWN = "not in the file: type it"


class SlideMppField(QDoubleSpinBox):
    """Follows the slide in the window, and gives it what is typed.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The window.
    """

    followed = Signal()
    """Another slide counts now, or the same has other µm per pixel."""

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__(decimals=4, maximum=SANE_MPP[1], singleStep=0.05, suffix=" µm/px")
        self._viewer = napari_viewer
        self.setSpecialValueText(_UNKNOWN)
        self.setToolTip(
            "µm per pixel of level 0, which the file does not state. 20x is about 0.5, 40x about "
            "0.25; the scanner's manual or log knows it exactly."
        )
        self.editingFinished.connect(self.give)
        events = napari_viewer.layers.events
        for event in (
            events.inserted,
            events.removed,
            napari_viewer.layers.selection.events.active,
        ):
            event.connect(self.follow)
        # napari knows nothing of a widget's end, at which its own methods are no longer called.
        self.destroyed.connect(lambda: self._part())  # noqa: PLW0108

    @property
    def view(self) -> SlideView | None:
        """The slide that counts, if there is one."""
        return scene.shown_slide(self._viewer)

    @property
    def is_wanted(self) -> bool:
        """Whether the slide's file states none."""
        return self.view is not None and can_type_mpp(self.view)

    def give(self) -> None:
        """Give the slide what is typed."""
        view, mpp = self.view, self.value()
        if view is None or not mpp or not can_type_mpp(view) or mpp == typed_mpp(view):
            return
        with errors_notified():
            give_mpp(self._viewer, view, mpp)
        self.follow()
        self.share()

    def share(self) -> None:
        """Tell the others of its kind in the window."""
        for widget in self._viewer.window.dock_widgets.values():
            for field in widget.findChildren(SlideMppField):
                if field is not self:
                    field.follow()

    def follow(self, _: object = None) -> None:
        """Show what the slide has."""
        view = self.view
        self.setValue((typed_mpp(view) or 0) if view is not None else 0)
        self.followed.emit()

    def _part(self) -> None:
        events = self._viewer.layers.events
        for event in (events.inserted, events.removed, self._viewer.layers.selection.events.active):
            event.disconnect(self.follow)
