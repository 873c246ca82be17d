"""A screen that nobody sees, windows on it, and something to look at."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pytestqt.qtbot import QtBot

from pictures import draw
from tiny import segment_tiny
from virtual_screen import make_patient, open_screen

pytest.importorskip("napari", reason="the viewer is an extra: pip install 'wsiseg[viewer]'")

HEIGHT, WIDTH, MPP = 1800, 2100, 0.5


@pytest.fixture(scope="session", autouse=True)
def screen() -> None:
    """Draw on a virtual screen where there is no other."""
    open_screen()


@pytest.fixture
def qtbot(qtbot: QtBot) -> QtBot:
    """Wait as long as it takes: other work may share the machine."""
    return make_patient(qtbot)


@pytest.fixture(scope="session")
def slide_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a slide of three levels with a disc and a bar on it."""
    pixels, _ = draw(HEIGHT, WIDTH, 3)
    path = tmp_path_factory.mktemp("slides") / "biopsy.tiff"
    with tifffile.TiffWriter(path) as file:
        for k in range(3):
            file.write(
                np.ascontiguousarray(pixels[:: 2**k, :: 2**k]),
                tile=(128, 128),
                photometric="rgb",
                resolution=(1e4 / (MPP * 2**k),) * 2,
                resolutionunit="CENTIMETER",
                subfiletype=1 if k else 0,
                metadata=None,
            )
    return path


@pytest.fixture(scope="session")
def mask_store(slide_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a mask of that slide at 0.8 µm per pixel, no power of two of the slide's 0.5."""
    return segment_tiny(slide_file, tmp_path_factory.mktemp("masks"), mpp=0.8)


@pytest.fixture
def settle(qtbot) -> Callable[[], None]:
    """Return a function that lets the event loop do what is waiting."""

    def wait() -> None:
        for _ in range(5):
            qtbot.wait(20)

    return wait
