"""What is done to the *Segment* widget and the window around it."""

OPTIONS = {"runtime": "torch", "tissue": "none", "tile": 256, "halo": 8, "threads": 1}


def look_at(viewer, y, x, zoom=1.0):
    viewer.scene.camera.center, viewer.scene.camera.zoom = (y, x), zoom


def finish(qtbot, widget):
    qtbot.waitUntil(lambda: not widget.is_running)
