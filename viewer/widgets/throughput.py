"""The *Throughput* widget: what a run cost, tile by tile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFormLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from wsiseg.viewer import scene
from wsiseg.viewer.layers import MaskView, throughput_layer
from wsiseg.viewer.runs import RunTiles, milliseconds, read_tiles
from wsiseg.viewer.telling import show_line, told
from wsiseg.viewer.working import Work

if TYPE_CHECKING:
    import napari

_FIGURES = ("speed", "tiles", "time", "per tile", "slowest", "unread", "memory", "runtime", "limit")


class ThroughputWidget(QWidget):
    """Shows the figures of the run that made the selected mask, and a heat map of its tiles.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The window.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.showing = QPushButton("Show the selected mask's run")
        self.figures = {name: QLabel("–") for name in _FIGURES}
        form = QFormLayout()
        for name, label in self.figures.items():
            label.setWordWrap(True)
            form.addRow(name, label)
        column = QVBoxLayout(self)
        column.addWidget(self.showing)
        column.addLayout(form)
        column.addStretch()
        self.showing.clicked.connect(self.show_run)

    def show_run(self) -> None:
        """Fill in the figures and add the heat map."""
        with told():
            view = scene.current_mask(self._viewer)
            work = Work(self, lambda _: read_tiles(view.image))
            work.returned.connect(lambda tiles: self._fill(tiles, view))
            work.failed.connect(show_line)
            work.start()

    def _fill(self, tiles: RunTiles, view: MaskView) -> None:
        for name, text in describe_run(tiles).items():
            self.figures[name].setText(text)
        data, settings, _ = throughput_layer(tiles, view.frame)
        self._viewer.add_image(data, **settings)


def describe_run(tiles: RunTiles) -> dict[str, str]:
    """Return the figures of a run by their names, as text."""
    summary, costs = tiles.summary, [milliseconds(row) for row in tiles.rows]
    return {
        "speed": f"{summary['mpx_per_s']:.2f} Mpx/s",
        "tiles": f"{summary['tiles']} of {tiles.tile[0]}×{tiles.tile[1]} px",
        "time": f"{summary['seconds']:.1f} s, {summary['forward_seconds']:.1f} s in the network",
        "per tile": f"{sum(costs) / max(1, len(costs)):.0f} ms",
        "slowest": f"{max(costs, default=0):.0f} ms",
        "unread": str(summary["unread_tiles"]),
        "memory": f"{summary['peak_rss_mb']:.0f} MB at most",
        "runtime": f"{summary['runtime']} {summary['precision']} on {summary['device']}",
        "limit": str(summary["bottleneck"]),
    }
