"""A screen that nobody sees, for tests that open windows."""

import os
import shutil
import subprocess
import sys
from functools import partial

import pytest
from pytestqt.qtbot import QtBot

PATIENCE = 600_000


def open_screen() -> None:
    """Draw on a virtual screen where there is no other; skip the test where none can be had."""
    os.environ["NAPARI_CONFIG"] = ""
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY"):
        return
    if shutil.which("Xvfb") is None:
        pytest.skip(
            "the viewer opens windows and there is no screen: set DISPLAY, or run "
            "scripts/install_system_packages.sh for a virtual one"
        )
    read, write = os.pipe()
    # It ends by itself with its last client, as Qt does not survive its end.
    command = f"Xvfb -displayfd {write} -screen 0 1600x1000x24 -terminate 2>/dev/null &"
    subprocess.run(["sh", "-c", command], pass_fds=[write], check=True)
    os.close(write)
    with os.fdopen(read) as number:
        os.environ["DISPLAY"] = f":{number.readline().strip()}"


def make_patient(qtbot: QtBot) -> QtBot:
    """Wait as long as it takes: other work may share the machine."""
    for name in ("waitUntil", "waitSignal"):
        setattr(qtbot, name, partial(getattr(qtbot, name), timeout=PATIENCE))
    return qtbot
