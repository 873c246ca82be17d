"""What is done to the *Segment* widget and the window around it, and what it says."""

import re
from typing import NamedTuple

import wsiseg.tiling.reading

OPTIONS = {"runtime": "torch", "tissue": "none", "tile": 256, "halo": 8, "threads": 1}


def look_at(viewer, y, x, zoom=1.0):
    viewer.scene.camera.center, viewer.scene.camera.zoom = (y, x), zoom


def finish(qtbot, widget):
    qtbot.waitUntil(lambda: not widget.is_running)


class Done(NamedTuple):
    """What the widget says of a part that it has labelled."""

    width: int
    height: int
    mpp: float
    tiles: int


def read_done(widget):
    """Return the figures that the widget shows of a field of view or a region."""
    line = widget.status.text().splitlines()[0]
    found = re.fullmatch(r"Done: (\d+)×(\d+) px at ([\d.]+) µm/px in (\d+) tiles?, \d+\.\d s", line)
    assert found, line
    width, height, mpp, tiles = found.groups()
    return Done(int(width), int(height), float(mpp), int(tiles))


def count_reads(monkeypatch):
    """Return a list that gets an entry for every tile that is read."""
    reads, read = [], wsiseg.tiling.reading.read_working_box

    def read_and_note(*args):
        reads.append(args)
        return read(*args)

    monkeypatch.setattr(wsiseg.tiling.reading, "read_working_box", read_and_note)
    return reads
