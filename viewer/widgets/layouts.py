"""Fields and buttons side by side, in forms, in groups with a title; lists with columns."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QLayout,
    QTreeWidget,
    QVBoxLayout,
    QWidget,
)


def row_of(*widgets: QWidget) -> QHBoxLayout:
    """Return widgets side by side."""
    layout = QHBoxLayout()
    for widget in widgets:
        layout.addWidget(widget)
    return layout


def form_of(fields: Mapping[str, QWidget]) -> QFormLayout:
    """Return fields, each below the other with its label in front of it."""
    layout = QFormLayout()
    for label, field in fields.items():
        layout.addRow(label, field)
    return layout


def group_of(title: str, *parts: QWidget | QLayout) -> QGroupBox:
    """Return parts, each below the other, in a box with a title."""
    box = QGroupBox(title)
    column = QVBoxLayout(box)
    for part in parts:
        column.addWidget(part) if isinstance(part, QWidget) else column.addLayout(part)
    return box


def combo_of(*texts: str) -> QComboBox:
    """Return a field to choose one of some texts from, which are its data, too."""
    field = QComboBox()
    for text in texts:
        field.addItem(text, text)
    return field


def columns_of(*headings: str) -> QTreeWidget:
    """Return an empty list with headings, whose first column takes what the others leave."""
    tree = QTreeWidget()
    tree.setHeaderLabels(headings)
    tree.setRootIsDecorated(False)
    header = tree.header()
    header.setStretchLastSection(False)
    header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    return tree
