"""What a user does in the window, by mouse and keys."""

from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QTabBar, QWidget

_NONE, _LEFT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton


def canvas_of(viewer: Any) -> QWidget:
    return viewer.window._qt_viewer.canvas.native


def pane(viewer: Any, name: str) -> Any:
    """Bring a pane to the front by its tab, and return it."""
    for bar in viewer.window._qt_window.findChildren(QTabBar):
        for tab in range(bar.count()):
            if bar.tabText(tab) == name:
                bar.setCurrentIndex(tab)
    (found,) = (
        widget
        for key, widget in viewer.window.dock_widgets.items()
        if key.partition(" (")[0] == name
    )
    QApplication.processEvents()
    return found


def click(button: QWidget) -> None:
    assert button.isEnabled(), button
    QTest.mouseClick(button, _LEFT)


def press(viewer: Any, key: str) -> None:
    """Press a key over the canvas."""
    QTest.keyClick(canvas_of(viewer), key)
    QApplication.processEvents()


def drag(viewer: Any, *places: tuple[float, float]) -> None:
    """Drag the mouse over places of the world, ``(y, x)``."""
    canvas, at = canvas_of(viewer), [_on_canvas(viewer, place) for place in places]
    _send(canvas, QEvent.Type.MouseMove, at[0], _NONE, _NONE)
    _send(canvas, QEvent.Type.MouseButtonPress, at[0], _LEFT, _LEFT)
    for place in at[1:]:
        _send(canvas, QEvent.Type.MouseMove, place, _NONE, _LEFT)
    _send(canvas, QEvent.Type.MouseButtonRelease, at[-1], _LEFT, _NONE)


def _on_canvas(viewer: Any, place: tuple[float, float]) -> QPointF:
    camera, size = viewer.scene.camera, np.array(viewer.canvas.size, float)
    y, x = (np.array(place) - np.array(camera.center[-2:])) * camera.zoom + size / 2
    return QPointF(x, y)


def _send(
    canvas: QWidget,
    kind: QEvent.Type,
    at: QPointF,
    button: Qt.MouseButton,
    held: Qt.MouseButton,
) -> None:
    on_screen = QPointF(canvas.mapToGlobal(at.toPoint()))
    event = QMouseEvent(kind, at, on_screen, button, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(canvas, event)
    QApplication.processEvents()
