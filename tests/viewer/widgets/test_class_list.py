"""The list of classes on the screen: a name that is typed covers no other row."""

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit

from wsiseg.classes import LabelClass
from wsiseg.viewer.widgets.class_list import ClassList


def test_the_field_for_a_name_stays_in_its_row(make_napari_viewer, qtbot):
    # In napari, whose style makes fields higher than Qt does.
    viewer = make_napari_viewer(show=True)
    classes = ClassList(lambda _: False)
    viewer.window.add_dock_widget(classes, name="classes")
    classes.show_classes({k: LabelClass(f"class {k}", (9 * k, 0, 0)) for k in range(4)}, 1)
    row = classes.list.item(1)
    classes.list.editItem(row)
    field = classes.list.findChild(QLineEdit)
    qtbot.waitUntil(field.isVisible)
    qtbot.wait(50)
    assert classes.list.visualItemRect(row).contains(field.geometry())
    assert field.height() >= field.fontMetrics().height()
    field.setText("stroma")
    QTest.keyClick(field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: classes.classes[1].name == "stroma")
