"""The *Throughput* widget: what a run cost, tile by tile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton, QWidget

from wsiseg.errors import AnnotationError
from wsiseg.text import describe_sizes
from wsiseg.throughput.summary import STAGES
from wsiseg.throughput.tile_costs import milliseconds
from wsiseg.viewer import scene
from wsiseg.viewer.layers.layer_data import LayerData, MaskView, throughput_layer
from wsiseg.viewer.layers.run_tiles import RunTiles, read_tiles
from wsiseg.viewer.notifications import errors_notified
from wsiseg.viewer.widgets.layouts import form_of
from wsiseg.viewer.widgets.plain_label import PlainLabel
from wsiseg.viewer.widgets.scrolling import scrolling_column
from wsiseg.viewer.widgets.status_line import StatusLine
from wsiseg.viewer.worker import Worker

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

_FIGURES = (
    *("speed", "tiles", "time", "mean per tile", "slowest tile", "unreadable tiles", "memory"),
    *("runtime", "bottleneck"),
)


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
        self._heat_map: Layer | None = None
        self.showing = QPushButton("Show the run of the selected mask")
        self.status = StatusLine()
        self.figures = {name: PlainLabel("–", wrap=True) for name in _FIGURES}
        column = scrolling_column(self)
        column.addWidget(self.showing)
        column.addWidget(self.status)
        column.addLayout(form_of(self.figures))
        column.addStretch()
        self.showing.clicked.connect(self.show_run)

    def show_run(self) -> None:
        """Fill in the figures and add the heat map."""
        with errors_notified(self.status.tell_failure):
            view = scene.current_mask(self._viewer)
            work = Worker(self, lambda _: look_up_run(view))
            work.returned.connect(lambda found: self._fill(*found))
            work.failed.connect(self.status.fail)
            self.status.setText("Reading the run file…")
            work.start()

    def _fill(self, figures: dict[str, str], made: LayerData) -> None:
        self.status.setText("The layer 'ms per tile' shows what each tile cost.")
        for name, text in figures.items():
            self.figures[name].setText(text)
        layers, (data, settings, _) = self._viewer.layers, made
        if self._heat_map is not None and self._heat_map in layers:
            layers.remove(self._heat_map)
        selected = layers.selection.active
        self._heat_map = self._viewer.add_image(data, **settings)
        # The next press is for the same mask.
        layers.selection.active = selected


def look_up_run(view: MaskView) -> tuple[dict[str, str], LayerData]:
    """Return the figures of the run that made a mask, and the heat map of its tiles.

    Raises
    ------
    AnnotationError, OutputError
        If its run's files are not beside it, or lack some of them.
    """
    tiles = read_tiles(view.image)
    try:
        return describe_run(tiles), throughput_layer(tiles, view.frame)
    except (LookupError, TypeError, ValueError) as error:
        raise AnnotationError(
            f"the run file is incomplete: {error}", view.image.path, "Run again."
        ) from error


def describe_run(tiles: RunTiles) -> dict[str, str]:
    """Return the figures of a run by their names, as text."""
    summary, costs = tiles.summary, [milliseconds(row) for row in tiles.rows]
    return {
        "speed": f"{summary['mpx_per_s']:.2f} Mpx/s",
        "tiles": f"{summary['tiles']} of {describe_sizes(tiles.places.shapes)}",
        "time": f"{summary['seconds']:.1f} s, {summary['forward_seconds']:.1f} s in the network",
        "mean per tile": f"{sum(costs) / max(1, len(costs)):.0f} ms",
        "slowest tile": f"{max(costs, default=0):.0f} ms",
        "unreadable tiles": str(summary["unread_tiles"]),
        "memory": f"{summary['peak_rss_mb']:.0f} MiB at most",
        "runtime": f"{summary['runtime']} {summary['precision']} on {summary['device']}",
        "bottleneck": STAGES[summary["bottleneck"]],
    }
