"""Where journeys leave their screenshots."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


class Screens:
    """Numbers the screenshots of a journey, and saves them in its folder."""

    def __init__(self, folder: Path, *, chosen: bool) -> None:
        self.folder, self.chosen = folder, chosen
        self._number = 0
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """Return the file of the next screenshot, a PNG unless the name says otherwise."""
        self._number += 1
        ending = "" if name.endswith(".jpg") else ".png"
        return self.folder / f"{self._number:02d}-{name}{ending}"

    def window(self, name: str, viewer: Any) -> Any:
        """Keep the whole window, and return its pixels, RGB."""
        pixels = viewer.screenshot(canvas_only=False, flash=False)[..., :3]
        Image.fromarray(pixels).save(self.path(name))
        return pixels


@pytest.fixture
def screens(request: pytest.FixtureRequest, tmp_path: Path) -> Screens:
    """Return where this journey's screenshots go: ``--screens DIR``, or the test's own folder."""
    chosen = request.config.getoption("--screens")
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    folder = tmp_path / "screens" if chosen is None else Path(chosen).absolute() / name
    return Screens(folder, chosen=chosen is not None)


@pytest.fixture
def settle() -> Callable[..., None]:
    """Return a function that lets the window do what is waiting."""
    from qtpy.QtWidgets import QApplication

    def wait(times: int = 20) -> None:
        for _ in range(times):
            QApplication.processEvents()

    return wait


@pytest.fixture(scope="session")
def screen() -> None:
    """Draw on a virtual screen where there is no other."""
    from virtual_screen import open_screen

    open_screen()
