"""The program ends at once, after everything that is promised at the end of a process."""

import subprocess
import sys

PROGRAM = """
import atexit, sys, threading, time
from wsiseg.cli.leaving import QuickExit

class Kept:
    def __del__(self):
        print("taken apart")

kept = Kept()
leaving = QuickExit()
atexit.register(print, "registered", end=" ")
threading.Thread(target=lambda: (time.sleep(0.1), print("thread", end=" "))).start()
if sys.argv[1] != "unknown":
    leaving.allow(int(sys.argv[1]))
sys.exit(2)
"""


def ended(status: str) -> tuple[int, str]:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, status], capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
    return run.returncode, run.stdout


def test_threads_and_handlers_come_first() -> None:
    assert ended("0") == (0, "thread registered ")
    assert ended("141") == (141, "thread registered ")


def test_without_a_status_it_ends_as_usual() -> None:
    assert ended("unknown") == (2, "thread registered taken apart\n")


def test_the_command_line_keeps_its_statuses_and_its_output() -> None:
    words = [sys.executable, "-m", "wsiseg"]
    told = subprocess.run([*words, "--version"], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout.count("\n")) == (0, 1)
    wrong = subprocess.run([*words, "segmet"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr[:6]) == (2, "error:")
