"""Open a slide of 100000×100000 pixels in a window, pan and zoom, and say what it cost.

xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/viewer.py

Software rendering takes most of the time where there is no graphics card; the script says how long
the event loop was held with a slide, and with a picture of the same size on the screen that lies
in memory, which costs the drawing alone.  Beside the time on the wall stands what the event loop's
own thread computed meanwhile, which other programs and the threads that draw do not disturb.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import tempfile
import time
from pathlib import Path
from typing import Any

# Read by napari when it is imported, as `wsiseg view` sets them.
os.environ.setdefault("NAPARI_ASYNC", "1")
os.environ.setdefault("NAPARI_CONFIG", "")

import imagecodecs
import napari
import numpy as np
import psutil
import tifffile
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

import wsiseg.viewer.widgets
from wsiseg.viewer.window import open_window, sparing_collector

# Opening is measured after imports, and napari imports a widget when it is shown.
for module in pkgutil.iter_modules(wsiseg.viewer.widgets.__path__):
    importlib.import_module(f"wsiseg.viewer.widgets.{module.name}")

EDGE, TILE, LEVELS = 100_000, 512, 5
STEPS = 120

_LONG = 100
"""Milliseconds for which nothing should hold the event loop."""


class Heartbeat:
    """For how long the event loop did not come round, and what its thread computed meanwhile."""

    def __init__(self) -> None:
        self.restart()
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._timer.start(1)

    def _beat(self) -> None:
        now = self._clocks()
        self._queue.append(now - self._last)
        self._last = now

    @staticmethod
    def _clocks() -> np.ndarray:
        return np.array([time.perf_counter(), time.thread_time()])

    def restart(self) -> None:
        """Forget what was."""
        self._last, self._queue = self._clocks(), list[np.ndarray]()

    def report(self, name: str) -> None:
        """Print how long the event loop was held since the last start."""
        held, own = np.array(self._queue).T * 1e3
        for title, turns in (("held", held), ("own work", own)):
            longest = np.percentile(turns, 99)
            print(
                f"event loop  {name}: {title} 99 % under {longest:.0f} ms, most {turns.max():.0f}, "
                f"{(turns > _LONG).sum()} times over {_LONG}"
            )


def build(path: Path) -> None:
    """Write a pyramid in which every tile is the same few kilobytes."""
    y, x = np.mgrid[:TILE, :TILE]
    picture = np.stack([200 + 40 * np.sin(y / 40), 120 + 60 * np.cos(x / 30), 180 + 0 * x], -1)
    tile = imagecodecs.jpeg8_encode(picture.astype(np.uint8), level=80)
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for level in range(LEVELS):
            edge = -(-EDGE // 4**level)
            file.write(
                (tile for _ in range((-(-edge // TILE)) ** 2)),
                shape=(edge, edge, 3),
                dtype=np.uint8,
                tile=(TILE, TILE),
                photometric="ycbcr",
                subsampling=(2, 2),
                compression="jpeg",
                resolution=(1e4 / (0.25 * 4**level),) * 2,
                resolutionunit="CENTIMETER",
                subfiletype=1 if level else 0,
                metadata=None,
            )


def settle(seconds: float) -> None:
    """Let the event loop run."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        QApplication.processEvents()


def wander(viewer: Any, beat: Heartbeat, name: str) -> None:
    """Pan and zoom, and print how long the event loop was held."""
    random = np.random.default_rng(0)
    settle(1)
    beat.restart()
    for _ in range(STEPS):
        camera = viewer.scene.camera
        camera.zoom = float(np.exp(random.uniform(np.log(0.05), np.log(8))))
        camera.center = (0, *random.uniform(2000, 0.25 * EDGE - 2000, 2))
        settle(0.15)
    beat.report(name)


def segment(viewer: Any, beat: Heartbeat) -> None:
    """Run the bundled checkpoint on the field of view, and print how the event loop fared."""
    widget = viewer.window.add_plugin_dock_widget("wsiseg", "Segment")[1]
    viewer.scene.camera.zoom = 1.0
    settle(1)
    beat.restart()
    widget.start()
    while widget.is_running:
        settle(0.05)
    beat.report("segmenting")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slide", type=Path, help="another slide")
    arguments = parser.parse_args()
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.slide or Path(folder) / "huge.tiff"
        if arguments.slide is None:
            build(path)
            print(f"slide       {path.stat().st_size / 2**20:.0f} MiB")
        app = napari.qt.get_qapp()
        start = time.perf_counter()
        empty = napari.Viewer()
        settle(0.1)
        print(f"window      {time.perf_counter() - start - 0.1:.1f} s, without anything in it")
        flat = empty.add_image(np.full((1000, 1600, 3), 128, np.uint8), scale=(25, 25))
        beat = Heartbeat()
        wander(empty, beat, "a picture")
        flat.visible = False
        empty.close()

        start = time.perf_counter()
        with sparing_collector():
            viewer = open_window(path, [])
        app.processEvents()
        print(
            f"open        {time.perf_counter() - start:.1f} s, window, widgets and tissue included"
        )
        before = process.memory_info().rss
        wander(viewer, beat, "the slide")
        middle = process.memory_info().rss
        wander(viewer, beat, "once more")
        after = process.memory_info().rss
        segment(viewer, beat)
        viewer.close()
    mib = [f"{value / 2**20:.0f} MiB" for value in (before, middle, after)]
    print(f"memory      {mib[0]}, {mib[1]} after {STEPS} views, {mib[2]} after {2 * STEPS}")


if __name__ == "__main__":
    main()
