"""Panes that scroll, so that the window fits on a small screen."""

from __future__ import annotations

from qtpy.QtCore import QChildEvent, QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFrame,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

_LOWEST = 120
"""Height of a pane in pixels, at least: a few rows."""
_NARROWEST = 400
"""Width of a pane in pixels, at least: the tabs of all panes have room."""


def scrolling_column(pane: QWidget) -> QVBoxLayout:
    """Return the column in which a pane's content stands; where it has no room, it scrolls.

    Parameters
    ----------
    pane : QWidget
        Gets a layout.
    """
    area = _Area()
    content = _Content(area)
    column = QVBoxLayout(content)
    area.show_content(content)
    around = QVBoxLayout(pane)
    around.setContentsMargins(0, 0, 0, 0)
    around.addWidget(area)
    return column


class _Area(QScrollArea):
    """As wide as its content, and as low as there is room for."""

    def __init__(self) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._content = QWidget()

    def show_content(self, content: QWidget) -> None:
        """Show what scrolls."""
        self._content = content
        self.setWidget(content)

    def minimumSizeHint(self) -> QSize:  # noqa: N802, as Qt calls it
        """Return the width of the content with a scroll bar, and the height of a few rows."""
        return QSize(self._wide(self._content.minimumSizeHint()), _LOWEST)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the size at which nothing scrolls."""
        size = self._content.sizeHint()
        return QSize(self._wide(size), size.height())

    def eventFilter(self, content: QObject, event: QEvent) -> bool:  # noqa: N802
        """Ask for as much room as the content needs now."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(content, event)

    def _wide(self, size: QSize) -> int:
        return max(_NARROWEST, size.width() + self.verticalScrollBar().sizeHint().width())


class _Content(QWidget):
    """Content whose fields leave the wheel to the pane, unless they were clicked before.

    Else scrolling would change whatever field the pointer comes over.

    Parameters
    ----------
    area : QScrollArea
        Where it stands.
    """

    def __init__(self, area: QScrollArea) -> None:
        super().__init__()
        self._area = area

    def childEvent(self, event: QChildEvent) -> None:  # noqa: N802
        """Watch the fields of whatever is put here."""
        super().childEvent(event)
        child = event.child()
        if event.type() == QEvent.Type.ChildPolished and isinstance(child, QWidget):
            for field in (child, *child.findChildren(QWidget)):
                if isinstance(field, QAbstractSpinBox | QComboBox):
                    field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                    field.installEventFilter(self)

    def eventFilter(self, field: QObject, event: QEvent) -> bool:  # noqa: N802
        """Pass the wheel on to the pane."""
        wheel = event.type() == QEvent.Type.Wheel
        if wheel and isinstance(field, QWidget) and not field.hasFocus():
            QApplication.sendEvent(self._area.viewport(), event)
            return True
        return super().eventFilter(field, event)
