"""Work in a thread: what it tells arrives in the event loop, and it can be ended."""

import threading

import pytest
from qtpy.QtWidgets import QWidget

from wsiseg.errors import ArgumentError
from wsiseg.viewer.worker import Worker


@pytest.fixture
def owner(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


def test_results_arrive_in_the_thread_of_the_event_loop(qtbot, owner):
    heard = []
    work = Worker(owner, lambda work: work.report("half") or "all")
    work.reported.connect(lambda value: heard.append((value, threading.current_thread())))
    work.returned.connect(lambda value: heard.append((value, threading.current_thread())))
    with qtbot.waitSignal(work.ended):
        work.start()
    assert heard == [("half", threading.main_thread()), ("all", threading.main_thread())]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ArgumentError("too much", "--x", "Less."), "too much (--x). Less."),
        (KeyError("x"), "unexpected KeyError: 'x'"),
    ],
)
def test_a_failure_is_one_line(qtbot, owner, error, line):
    def fail(_):
        raise error

    work = Worker(owner, fail)
    with qtbot.waitSignal(work.failed) as heard:
        work.start()
    assert heard.args == [line]


def test_cancelled_work_returns_nothing(qtbot, owner):
    begun, heard = threading.Event(), []

    def count(work):
        while True:
            begun.set()
            work.report(1)

    work = Worker(owner, count)
    work.returned.connect(heard.append)
    work.failed.connect(heard.append)
    with qtbot.waitSignal(work.ended):
        work.start()
        begun.wait()
        work.cancel()
    assert heard == []
    assert work.wait(10)


def test_the_end_of_its_owner_ends_it(qtbot):
    begun = threading.Event()

    def count(work):
        while True:
            begun.set()
            work.report(1)

    widget = QWidget()
    work = Worker(widget, count)
    work.start()
    begun.wait()
    widget.deleteLater()
    qtbot.waitUntil(lambda: work.wait(0))


def test_nobody_has_to_hold_on_to_it(qtbot, owner):
    heard = []

    def begin():
        work = Worker(owner, lambda _: "done")
        work.returned.connect(heard.append)
        work.start()

    begin()
    qtbot.waitUntil(lambda: heard == ["done"])
