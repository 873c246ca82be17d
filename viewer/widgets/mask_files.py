"""Files of the selected mask: exports for other programs, and tables of measurements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QFileDialog,
    QGroupBox,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
)

from wsiseg.errors import ArgumentError
from wsiseg.exports.areas import ProgressCallback
from wsiseg.exports.formats import FORMATS
from wsiseg.viewer import scene
from wsiseg.viewer.layers.layer_data import KEY
from wsiseg.viewer.layers.region import RegionView
from wsiseg.viewer.measuring import store_of
from wsiseg.viewer.notifications import errors_notified
from wsiseg.viewer.widgets.layouts import combo_of, row_of
from wsiseg.viewer.widgets.status_line import StatusLine
from wsiseg.viewer.worker import Worker

if TYPE_CHECKING:
    import napari

_TABLES = "Tables (*.csv *.parquet *.json)"


class MaskFiles(QGroupBox):
    """Writes what ``wsiseg export`` and ``wsiseg measure`` write, of the mask that is selected.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The window.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__("Export the mask")
        self._viewer = napari_viewer
        self._work: Worker | None = None
        self.format = combo_of(*FORMATS)
        self.exporting, self.measuring = QPushButton("Export…"), QPushButton("Measure…")
        self.exporting.setToolTip("Write the whole mask for other programs")
        self.measuring.setToolTip("Write areas, objects and their sizes as tables")
        self.bar = QProgressBar()
        self.bar.setVisible(False)
        self.status = StatusLine()
        column = QVBoxLayout(self)
        column.addLayout(row_of(self.format, self.exporting, self.measuring))
        column.addWidget(self.bar)
        column.addWidget(self.status)
        self.exporting.clicked.connect(self._ask_for_export)
        self.measuring.clicked.connect(self._ask_for_tables)

    @property
    def is_running(self) -> bool:
        """Whether a file is being written."""
        return self._work is not None

    def export(self, output: Path) -> None:
        """Write the mask in the format that is chosen.

        Parameters
        ----------
        output : Path
            The file; one that exists is replaced.
        """
        form = self.format.currentData()

        def write(store: Path, progress: ProgressCallback) -> str:
            from wsiseg.exports.exporting import export

            result = export(store, form, output, overwrite=True, progress=progress)
            objects = "" if result.features is None else f", {result.features} objects"
            size = f"{result.bytes / 1e6:.1f} MB{objects}"
            return "\n".join([f"Exported as {result.output} ({size})", *result.warnings])

        self._begin(f"Exporting {output.name}…", write)

    def measure(self, output: Path) -> None:
        """Write tables of the mask's areas and objects.

        Parameters
        ----------
        output : Path
            A ``.csv``, ``.parquet`` or ``.json``; files that exist are replaced.
        """

        def write(store: Path, progress: ProgressCallback) -> str:
            from wsiseg.measurements.measuring import measure

            result = measure([store], output, overwrite=True, progress=progress)
            files = ", ".join(path.name for path in dict.fromkeys(result.files.values()))
            return "\n".join([f"Measured: {files} in {output.parent}", *result.warnings])

        self._begin(f"Measuring {output.name}…", write)

    def _store(self) -> Path:
        """Return the store of the mask that is selected, or else the topmost.

        Raises
        ------
        ArgumentError
            If there is none on the disk.
        """
        active = self._viewer.layers.selection.active
        if active is not None and isinstance(active.metadata.get(KEY), RegionView):
            raise ArgumentError(
                f"{active.name} is not saved yet",
                None,
                "Segment the whole slide, or save the painting in Annotate.",
            )
        return store_of(scene.current_mask(self._viewer))

    def _begin(self, text: str, write: Callable[[Path, ProgressCallback], str]) -> None:
        with errors_notified(self.status.tell_failure):
            if self._work is not None:
                raise ArgumentError("a file is still being written", None, "Wait until it is done.")
            store = self._store()
            work = self._work = Worker(
                self,
                lambda work: write(store, lambda share: work.report(round(100 * share))),
            )
            work.reported.connect(self.bar.setValue)
            work.returned.connect(self.status.setText)
            work.failed.connect(self.status.fail)
            work.ended.connect(self._end)
            self.status.setText(text)
            self.bar.setValue(0)
            self.bar.setVisible(True)
            work.start()

    def _end(self) -> None:
        self._work = None
        self.bar.setVisible(False)

    def _ask_for_export(self) -> None:
        form = self.format.currentData()
        suffixes = FORMATS[form].suffixes
        kinds = " ".join(f"*{suffix}" for suffix in suffixes)
        if output := self._ask("Export the mask", suffixes[0], f"{form} ({kinds})"):
            self.export(output)

    def _ask_for_tables(self) -> None:
        if output := self._ask("Measure the mask", ".areas.csv", _TABLES):
            self.measure(output)

    def _ask(self, title: str, ending: str, kinds: str) -> Path | None:
        """Return the file that is picked, if there is a mask to write."""
        with errors_notified(self.status.tell_failure):
            name = self._store().name.removesuffix(".zarr").removesuffix(".ome")
            picked, _ = QFileDialog.getSaveFileName(self, title, name + ending, kinds)
            return Path(picked) if picked else None
        return None
