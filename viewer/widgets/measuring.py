"""The *Areas* widget: how much of a mask, of its tissue or of a region each class covers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)
from shapely.geometry.base import BaseGeometry

from wsiseg.exports.areas import ClassArea
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer import scene
from wsiseg.viewer.measuring import (
    Measurable,
    describe_area,
    describe_share,
    find_measurable,
    is_glass,
    ratio,
    save_areas,
    shares_of_tissue,
)
from wsiseg.viewer.notifications import errors_notified
from wsiseg.viewer.widgets.layouts import row_of
from wsiseg.viewer.widgets.mask_files import MaskFiles
from wsiseg.viewer.widgets.plain_label import PlainLabel
from wsiseg.viewer.widgets.scrolling import scrolling_column
from wsiseg.viewer.widgets.status_line import StatusLine
from wsiseg.viewer.worker import Worker

if TYPE_CHECKING:
    import napari

_HEADINGS = ("class", "mm²", "of analysed", "of tissue")
_TIPS = (
    "Tick the classes that count as tissue",
    "Square millimetres; pixels where the resolution is unknown",
    "Share of what was analysed",
    "Share of the classes that are ticked",
)
_OF_TISSUE = 3
_SWATCH = 12
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


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
        self._cells: list[list[QTableWidgetItem]] = []
        self.status = StatusLine("Select a mask, then measure all of it or a drawn region.")
        self.whole, self.drawn = QPushButton("Whole mask"), QPushButton("Drawn region")
        self.bar = QProgressBar()
        self.bar.setVisible(False)
        self.table = QTableWidget(0, len(_HEADINGS))
        for column, (text, tip) in enumerate(zip(_HEADINGS, _TIPS, strict=True)):
            heading = QTableWidgetItem(text)
            heading.setToolTip(tip)
            self.table.setHorizontalHeaderItem(column, heading)
        self.table.verticalHeader().setVisible(False)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.above, self.below = QComboBox(), QComboBox()
        self.ratio = PlainLabel("–")
        self.saving = QPushButton("Save as CSV…")
        self.saving.setEnabled(False)
        self.files = MaskFiles(napari_viewer)
        self._lay_out()
        self.whole.clicked.connect(self.measure_whole)
        self.drawn.clicked.connect(self.measure_drawn)
        self.saving.clicked.connect(self._ask_where_to_save)
        self.table.itemChanged.connect(self._show_shares)
        for combo in (self.above, self.below):
            combo.currentIndexChanged.connect(self._show_ratio)

    def _lay_out(self) -> None:
        compared = QHBoxLayout()
        for widget in (
            PlainLabel("ratio"),
            self.above,
            PlainLabel("to"),
            self.below,
            PlainLabel("="),
            self.ratio,
        ):
            compared.addWidget(widget, stretch=isinstance(widget, QComboBox))
        column = scrolling_column(self)
        column.addWidget(self.status)
        column.addLayout(row_of(self.whole, self.drawn))
        column.addWidget(self.bar)
        column.addWidget(self.table)
        column.addLayout(compared)
        column.addWidget(self.saving)
        column.addWidget(self.files)

    def measure_whole(self) -> None:
        """Measure the whole mask."""
        with errors_notified(self.status.tell_failure):
            self._measure(find_measurable(self._viewer), None)

    def measure_drawn(self) -> None:
        """Measure what of the mask lies in the region that is drawn."""
        with errors_notified(self.status.tell_failure):
            found = find_measurable(self._viewer)
            self._measure(found, scene.drawn_region(self._viewer, found.view.frame))

    def _measure(self, found: Measurable, region: BaseGeometry | None) -> None:
        if self._work is not None:
            self._work.cancel()
        place = "whole mask" if region is None else "drawn region"

        def show(rows: list[ClassArea]) -> None:
            self.status.setText(f"{found.name}: {place}")
            self._fill(rows, found)

        work = self._work = Worker(
            self, lambda work: found.measure(region, lambda share: work.report(round(100 * share)))
        )
        self.status.setText(f"Measuring {found.name}: {place}…")
        self.bar.setValue(0)
        self.bar.setVisible(True)
        work.reported.connect(self.bar.setValue)
        work.returned.connect(show)
        work.failed.connect(self.status.fail)
        work.ended.connect(lambda: self.bar.setVisible(self._work is not work))
        work.start()

    def _fill(self, rows: list[ClassArea], found: Measurable) -> None:
        self.rows = rows
        self.saving.setEnabled(True)
        self._cells = [_row(row, found) for row in rows]
        with QSignalBlocker(self.table):
            self.table.setRowCount(len(rows))
            for number, cells in enumerate(self._cells):
                for column, cell in enumerate(cells):
                    self.table.setItem(number, column, cell)
        self._offer_ratios()
        self._show_shares()

    @property
    def glass(self) -> set[int]:
        """Labels of the rows that are no tissue."""
        return {
            row.value
            for row, cells in zip(self.rows, self._cells, strict=True)
            if cells[0].checkState() != Qt.CheckState.Checked
        }

    def _show_shares(self, _: object = None) -> None:
        """Show how much of the tissue each class covers."""
        shares = shares_of_tissue(self.rows, self.glass)
        with QSignalBlocker(self.table):
            for row, cells in zip(self.rows, self._cells, strict=True):
                share = shares.get(row.value)
                cells[_OF_TISSUE].setText("" if share is None else f"{share:.1%}")
        self._show_ratio()

    def _offer_ratios(self) -> None:
        """Let the user compare the classes, at first the last with the one before."""
        classes = [row for row in self.rows if row.value != NO_LABEL]
        for combo, place in ((self.above, len(classes) - 1), (self.below, len(classes) - 2)):
            before = combo.currentText()
            with QSignalBlocker(combo):
                combo.clear()
                for row in classes:
                    combo.addItem(row.name, row.value)
                known = combo.findText(before) if before else -1
                combo.setCurrentIndex(known if known >= 0 else max(0, place))

    def _show_ratio(self, _: object = None) -> None:
        above, below = self.above.currentData(), self.below.currentData()
        known = None if above is None or below is None else ratio(self.rows, above, below)
        self.ratio.setText("–" if known is None else f"{known:.4g}")

    def _ask_where_to_save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Save areas", "areas.csv", "CSV (*.csv)")
        if name:
            self.save(Path(name))

    def save(self, path: Path) -> None:
        """Write the table as CSV."""
        with errors_notified(self.status.tell_failure):
            save_areas(self.rows, path, shares_of_tissue(self.rows, self.glass))
            self.status.setText(f"Saved as {path}")


def _row(row: ClassArea, found: Measurable) -> list[QTableWidgetItem]:
    """Return the cells of a class: ticked if it is tissue, and with its colour."""
    texts = (row.name, describe_area(row), describe_share(row), "")
    name, *figures = cells = [QTableWidgetItem(text) for text in texts]
    for cell in figures:
        cell.setTextAlignment(_RIGHT)
    if row.value != NO_LABEL:
        name.setCheckState(Qt.CheckState.Unchecked if is_glass(row) else Qt.CheckState.Checked)
    if row.value in found.view.classes:
        swatch = QPixmap(_SWATCH, _SWATCH)
        swatch.fill(QColor(*found.view.classes[row.value].colour))
        name.setData(Qt.ItemDataRole.DecorationRole, swatch)
    return cells
