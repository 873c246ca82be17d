"""A list of coloured class names: to edit, and to choose what is painted."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qtpy.QtCore import QModelIndex, QPersistentModelIndex, QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QColorDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from wsiseg.classes import LabelClass, distinct_colour
from wsiseg.errors import ArgumentError
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.viewer.notifications import errors_notified
from wsiseg.viewer.painting import NOT_ANNOTATED, RESERVED, free_value

_SWATCH = 16
_ROW = 22
"""Height of a row in pixels, at least: a field to type in has room in it."""
_FEWEST, _MOST = 4, 8
"""Rows that are shown without scrolling."""
_VALUE = Qt.ItemDataRole.UserRole
_Index = QModelIndex | QPersistentModelIndex
_ERASED = LabelClass(NOT_ANNOTATED, (128, 128, 128))


class _Rows(QStyledItemDelegate):
    """Rows whose names are typed inside their own row, and cover no other."""

    def createEditor(  # noqa: N802, as Qt calls it
        self, parent: QWidget, option: QStyleOptionViewItem, index: _Index
    ) -> QWidget:
        """Return a field without the padding that napari gives to others."""
        editor = super().createEditor(parent, option, index)
        editor.setStyleSheet("min-height: 0px; padding: 0px; margin: 0px; border-radius: 0px;")
        return editor

    def updateEditorGeometry(  # noqa: N802
        self, editor: QWidget, option: QStyleOptionViewItem, index: _Index
    ) -> None:
        """Put the field beside the colour, as high as the row."""
        editor.setGeometry(option.rect.adjusted(_SWATCH + 8, 0, 0, 0))

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:  # noqa: N802
        """Return the size of a row."""
        return super().sizeHint(option, index).expandedTo(QSize(0, _ROW))


class ClassList(QWidget):
    """Classes with their labels; the last entry is *not annotated*.

    Parameters
    ----------
    is_used : callable
        Tells whether a label is painted somewhere, so that its class has to stay.
    """

    edited = Signal()
    """A class was added, removed, renamed or recoloured."""
    chosen = Signal(int)
    """A label was chosen."""

    def __init__(self, is_used: Callable[[int], bool]) -> None:
        super().__init__()
        self._is_used = is_used
        self._classes: dict[int, LabelClass] = {}
        self.list = QListWidget()
        self.list.setToolTip("Choose the class to paint. A double click renames a class.")
        self.list.setItemDelegate(_Rows(self.list))
        buttons = QHBoxLayout()
        for text, tip, act in (
            ("Add", "Add a class", self.add),
            ("Remove", "Remove the chosen class", self.remove),
            ("Colour…", "Give the chosen class another colour", self._ask_for_colour),
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, act=act: act())
            buttons.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.list)
        column.addLayout(buttons)
        self.list.itemChanged.connect(self._rename)
        self.list.currentItemChanged.connect(lambda *_: self.chosen.emit(self.value))
        self.show_classes({})

    @property
    def classes(self) -> dict[int, LabelClass]:
        """The classes by their labels."""
        return dict(self._classes)

    @property
    def value(self) -> int:
        """The label that is chosen."""
        if self.list.currentRow() < 0:
            return NO_LABEL
        return int(self.list.currentItem().data(_VALUE))

    def show_classes(self, classes: Mapping[int, LabelClass], value: int | None = None) -> None:
        """Show other classes, and choose one.

        Parameters
        ----------
        classes : mapping of int to LabelClass
            Classes by their labels.
        value : int, optional
            The label to choose; that which was chosen before if left out.
        """
        value = self.value if value is None else value
        self._classes = dict(sorted(classes.items()))
        with QSignalBlocker(self.list):
            self.list.clear()
            for label, entry in (*self._classes.items(), (NO_LABEL, _ERASED)):
                self.list.addItem(_item(label, entry))
        rows = min(max(self.list.count(), _FEWEST), _MOST)
        self.list.setFixedHeight(rows * _ROW + 2 * self.list.frameWidth() + 2)
        self.choose(value if value in self._classes or value == NO_LABEL else 0)

    def choose(self, value: int) -> None:
        """Choose a label, unless no class has it."""
        for row in range(self.list.count()):
            if self.list.item(row).data(_VALUE) == value:
                self.list.setCurrentRow(row)

    def add(self) -> None:
        """Add a class, and let the user name it."""
        with errors_notified():
            value = free_value(self._classes)
            names = {entry.name for entry in self._classes.values()}
            name = next(n for n in map("class {}".format, range(value, 999)) if n not in names)
            self._change({**self._classes, value: LabelClass(name, distinct_colour(value))}, value)
            self.list.editItem(self.list.currentItem())

    def remove(self) -> None:
        """Remove the class that is chosen."""
        value = self.value
        with errors_notified():
            if value not in self._classes:
                raise ArgumentError("no class is chosen", None, "Choose a class of the list.")
            if self._is_used(value):
                raise ArgumentError(
                    f"{self._classes[value].name} is in use",
                    None,
                    "Erase or repaint its pixels first.",
                )
            left = {label: entry for label, entry in self._classes.items() if label != value}
            self._change(left, min(left, default=NO_LABEL))

    def recolour(self, value: int, colour: QColor) -> None:
        """Give a class another colour.

        Parameters
        ----------
        value : int
            The label of the class.
        colour : QColor
            Its new colour.
        """
        name = self._classes[value].name
        rgb = (colour.red(), colour.green(), colour.blue())
        self._change({**self._classes, value: LabelClass(name, rgb)}, value)

    def _ask_for_colour(self) -> None:
        value = self.value
        if value in self._classes:
            colour = QColorDialog.getColor(QColor(*self._classes[value].colour), self)
            if colour.isValid():
                self.recolour(value, colour)

    def _rename(self, item: QListWidgetItem) -> None:
        value, name = int(item.data(_VALUE)), item.text().strip()
        entry = self._classes[value]
        taken = {other.name for label, other in self._classes.items() if label != value}
        with errors_notified():
            if name in taken or not name or name in RESERVED:
                with QSignalBlocker(self.list):
                    item.setText(entry.name)
                raise ArgumentError(
                    f"a class cannot be called {name!r}",
                    None,
                    "The name is empty, taken, or reserved.",
                )
            self._classes[value] = LabelClass(name, entry.colour)
            self.edited.emit()

    def _change(self, classes: Mapping[int, LabelClass], value: int) -> None:
        self.show_classes(classes, value)
        self.edited.emit()


def _item(value: int, entry: LabelClass) -> QListWidgetItem:
    swatch = QPixmap(_SWATCH, _SWATCH)
    swatch.fill(QColor(*entry.colour))
    icon = QIcon(swatch)
    # A colour that is chosen would else be tinted.
    icon.addPixmap(swatch, QIcon.Mode.Selected)
    item = QListWidgetItem(icon, entry.name)
    item.setData(_VALUE, value)
    if value != NO_LABEL:
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
    return item
