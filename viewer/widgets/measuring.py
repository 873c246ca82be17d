"""The *Areas* widget: how much of a mask, or of a region, each class covers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from shapely.geometry.base import BaseGeometry

from wsiseg.exports.areas import ClassArea
from wsiseg.viewer import scene
from wsiseg.viewer.measuring import Measurable, find_measurable, save_areas
from wsiseg.viewer.notifications import errors_notified, notify_error
from wsiseg.viewer.widgets.plain_label import PlainLabel
from wsiseg.viewer.worker import Worker

if TYPE_CHECKING:
    import napari

_HEADINGS = ("class", "mm²", "share")


class AreasWidget(QWidget):
    """Measures the selected mask, or the part of it that is drawn.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The window.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._work: Worker | None = None
        self.rows: list[ClassArea] = []
        self.heading = PlainLabel("Select a mask, and measure it or the region that is drawn.")
        self.heading.setWordWrap(True)
        self.whole, self.drawn = QPushButton("Whole mask"), QPushButton("Drawn region")
        self.bar = QProgressBar()
        self.bar.setVisible(False)
        self.table = QTableWidget(0, len(_HEADINGS))
        self.table.setHorizontalHeaderLabels(_HEADINGS)
        self.table.verticalHeader().setVisible(False)
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.saving = QPushButton("Save as CSV…")
        self.saving.setEnabled(False)
        self._lay_out()
        self.whole.clicked.connect(self.measure_whole)
        self.drawn.clicked.connect(self.measure_drawn)
        self.saving.clicked.connect(self._ask_where_to_save)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.whole)
        buttons.addWidget(self.drawn)
        column = QVBoxLayout(self)
        column.addWidget(self.heading)
        column.addLayout(buttons)
        for widget in (self.bar, self.table, self.saving):
            column.addWidget(widget)

    def measure_whole(self) -> None:
        """Measure the whole mask."""
        with errors_notified():
            self._measure(find_measurable(self._viewer), None)

    def measure_drawn(self) -> None:
        """Measure what of the mask lies in the region that is drawn."""
        with errors_notified():
            found = find_measurable(self._viewer)
            self._measure(found, scene.drawn_region(self._viewer, found.view.frame))

    def _measure(self, found: Measurable, region: BaseGeometry | None) -> None:
        if self._work is not None:
            self._work.cancel()
        place = "whole mask" if region is None else "drawn region"

        def show(rows: list[ClassArea]) -> None:
            self.heading.setText(f"{found.name}: {place}")
            self._fill(rows, found)

        work = self._work = Worker(
            self, lambda work: found.measure(region, lambda share: work.report(round(100 * share)))
        )
        self.bar.setValue(0)
        self.bar.setVisible(True)
        work.reported.connect(self.bar.setValue)
        work.returned.connect(show)
        work.failed.connect(notify_error)
        work.ended.connect(lambda: self.bar.setVisible(self._work is not work))
        work.start()

    def _fill(self, rows: list[ClassArea], found: Measurable) -> None:
        self.rows = rows
        self.saving.setEnabled(True)
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            area = f"{row.pixels} px" if row.mm2 is None else f"{row.mm2:.4g}"
            share = "" if row.share is None else f"{row.share:.1%}"
            items = [QTableWidgetItem(text) for text in (row.name, area, share)]
            if row.value in found.view.classes:
                items[0].setData(1, QColor(*found.view.classes[row.value].colour))
            for column, item in enumerate(items):
                self.table.setItem(number, column, item)

    def _ask_where_to_save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Save areas", "areas.csv", "CSV (*.csv)")
        if name:
            self.save(Path(name))

    def save(self, path: Path) -> None:
        """Write the table as CSV."""
        with errors_notified():
            save_areas(self.rows, path)
