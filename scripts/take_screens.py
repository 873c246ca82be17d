"""Take the pictures of the viewer that the README and the docs show, from the real window.

xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/take_screens.py docs/images
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

os.environ.setdefault("NAPARI_CONFIG", "")

from PIL import Image
from qtpy.QtWidgets import QApplication

import wsiseg
from wsiseg.demo.slide import build_demo_slide
from wsiseg.viewer.window import open_window

SIZE = 1400, 860
SLIDE = 5000, 6000
COLOURS = 160
MPP = 0.5


def wait(until: Callable[[], bool] = lambda: False, seconds: float = 2.0) -> None:
    """Let the event loop run until something is so, or for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        QApplication.processEvents()
        time.sleep(0.01)


def look_at(viewer: Any, y: float, x: float, zoom: float) -> None:
    """Show a place of the slide, in pixels of level 0, at so many screen pixels a µm."""
    viewer.scene.camera.center = (0, y * MPP, x * MPP)
    viewer.scene.camera.zoom = zoom
    wait()


def take(viewer: Any, path: Path, colours: int = COLOURS) -> None:
    """Save the window, in few colours, as pictures stay in the repository for ever."""
    pixels = viewer.screenshot(canvas_only=False, flash=False)[..., :3]
    # Which leaves the grey of the widgets grey, beside so much pink.
    picture = Image.fromarray(pixels).quantize(
        colours, method=Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE
    )
    picture.save(path, optimize=True)


def raise_widget(viewer: Any, name: str) -> Any:
    """Bring a widget to the front, and return it."""
    dock, widget = viewer.window.add_plugin_dock_widget("wsiseg", name)
    dock.raise_()
    wait(seconds=0.5)
    return widget


def main(target: Path) -> None:
    """Take them all."""
    target = target.absolute()
    target.mkdir(parents=True, exist_ok=True)
    # Fields show paths as they were given, and those of this machine are nobody else's.
    with tempfile.TemporaryDirectory() as name, chdir(name):
        folder = Path("slides")
        folder.mkdir()
        slide = build_demo_slide(folder / "biopsy-1.tiff", *SLIDE)
        mask = wsiseg.segment(slide, None, folder).mask
        viewer = open_window(slide, [mask])
        viewer.window.resize(*SIZE)
        look_at(viewer, 1620, 1900, 2.0)
        take(viewer, target / "view.png", colours=64)

        areas = raise_widget(viewer, "Areas")
        areas.measure_whole()
        wait(lambda: areas.table.rowCount() > 0, 60)
        viewer.reset_view()
        wait()
        take(viewer, target / "areas.png")

        viewer.layers.remove(f"{mask.name.removesuffix('.ome.zarr')} mask")
        annotate = raise_widget(viewer, "Annotate")
        look_at(viewer, 1350, 1600, 2.0)
        annotate.begin()
        painting = viewer.layers.selection.active
        painting.brush_size = 30
        for step in range(120):
            painting.paint((581 + step // 6, 110 + 2 * step), 2)
            painting.paint((430 + step // 2, 90 + 3 * step), 1)
        look_at(viewer, 1350, 1600, 1.5)
        take(viewer, target / "annotate.png")
        viewer.layers.remove(painting)

        segment = raise_widget(viewer, "Segment")
        look_at(viewer, 1350, 1600, 1.0)
        segment.start()
        wait(lambda: not segment.is_running, 120)
        wait()
        take(viewer, target / "segment.png")
        viewer.close()

        for copy in ("biopsy-2.tiff", "biopsy-3.tiff"):
            shutil.copy(slide, folder / copy)
        viewer = open_window(folder, [])
        viewer.window.resize(*SIZE)
        slides = raise_widget(viewer, "Slides")
        slides.reviewed.setChecked(True)
        viewer.reset_view()
        wait()
        take(viewer, target / "slides.png")
        viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
