"""Labels that fill while a run goes, and become its result."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from napari.layers import Labels, Layer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from wsiseg.viewer import scene
from wsiseg.viewer.layers.label_layers import equip, show_border
from wsiseg.viewer.layers.layer_data import LayerData
from wsiseg.viewer.layers.preview import Preview

if TYPE_CHECKING:
    from napari.components import ViewerModel

_AT_BIRTH = {"cache"}
"""What napari takes for a new layer only."""


class EventLoopQueue(QTimer):
    """A queue of calls, of which the event loop makes one in each of its turns.

    napari takes its time over every layer that comes or goes; several at once would hold the
    window for as long as all of them.

    Parameters
    ----------
    owner : QWidget
        Its parent; calls that are pending at its end are dropped.
    """

    def __init__(self, owner: QWidget) -> None:
        super().__init__(owner)
        self._pending: deque[Callable[[], object]] = deque()
        self.setInterval(0)
        self.timeout.connect(self._act)

    def add(self, act: Callable[[], object]) -> None:
        """Add a call after all that were added before."""
        self._pending.append(act)
        self.start()

    def _act(self) -> None:
        act = self._pending.popleft()
        if not self._pending:
            self.stop()
        act()


class LiveLabels:
    """A layer that fills while something runs; the user may remove it at any time.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Where it is shown.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layer: Labels | None = None
        self._before: Layer | None = None
        self._preview: Preview | None = None
        self._seen = 0

    def show(self, preview: Preview) -> None:
        """Begin."""
        labels, settings, _ = preview.layer()
        self._before = self._viewer.layers.selection.active
        self._layer = self._viewer.add_labels(labels, **settings)
        self._layer.editable = False
        show_border(self._layer)
        self._preview, self._seen = preview, 0

    def refresh(self) -> None:
        """Show the tiles that are new."""
        if self._preview is None or self._layer is None or self._preview.changes == self._seen:
            return
        self._seen = self._preview.changes
        self._layer.refresh(extent=False, thumbnail=False)

    def settle(self, found: LayerData) -> None:
        """End with the labels that were found, on top and selected.

        They take the place of what was shown, unless that is gone or of another kind: napari is
        several times as fast with new data as with a new layer.
        """
        data, settings, _ = found
        layers, layer = self._viewer.layers, self._layer
        if layer is None or layer not in layers or layer.multiscale != isinstance(data, list):
            self.remove()
            scene.add_layers(self._viewer, [found])
            return
        self._layer = self._preview = None
        layer.data = data
        for name in settings.keys() - _AT_BIRTH:
            setattr(layer, name, settings[name])
        layer.editable = not layer.multiscale
        equip(layer)
        if layers[-1] is not layer:
            layers.move(layers.index(layer), len(layers))
        # For those who look at what is selected it is another layer now.
        layers.selection.active = None
        layers.selection.active = layer

    def remove(self) -> None:
        """End with nothing, and what was selected before."""
        layers = self._viewer.layers
        if self._layer is not None and self._layer in layers:
            selected = layers.selection.active is self._layer
            layers.remove(self._layer)
            if selected and self._before in layers:
                layers.selection.active = self._before
        self._layer = self._preview = None
