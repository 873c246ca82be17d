import re
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtGui import Qt as Gui

from wsiseg.classes import LabelClass
from wsiseg.viewer import notifications
from wsiseg.viewer.layers.layer_data import label_look
from wsiseg.viewer.plain_text import plain
from wsiseg.viewer.widgets.plain_label import PlainLabel

RICH = '<img src="a.png"><b>x</b>\u202e'


def test_names_are_no_rich_text(qapp):
    assert Gui.mightBeRichText(RICH)
    assert not Gui.mightBeRichText(plain(RICH))
    assert plain("a < b, <50 µm") == "a < b, <50 µm"
    label = PlainLabel("a\nb")
    assert label.text() == "a\nb"
    label.setText(RICH)
    assert label.textFormat() == Qt.TextFormat.PlainText
    assert label.text() == RICH.replace("\u202e", r"\u202e")


def test_classes_show_under_their_names_without_looks():
    names = label_look({0: LabelClass(RICH, (1, 2, 3)), 1: LabelClass("a", (1, 2, 3))})["features"]
    assert names["class"][1] == "a"
    assert not any(map(Gui.mightBeRichText, names["class"]))


def test_notifications_hold_no_rich_text(monkeypatch):
    said = []
    monkeypatch.setattr(notifications, "show_error", said.append)
    monkeypatch.setattr(notifications, "show_warning", said.append)
    notifications.notify_error(RICH)
    notifications.notify_warning(RICH)
    assert not any(map(Gui.mightBeRichText, said))


def test_no_widget_makes_a_label_of_its_own():
    """Qt's own kind takes a name for rich text where it looks like it."""
    import wsiseg.viewer

    (folder,) = wsiseg.viewer.__path__
    files = Path(folder).rglob("*.py")
    users = {path.name for path in files if re.search(r"\bQLabel\b", path.read_text())}
    assert users == {"plain_label.py"}
