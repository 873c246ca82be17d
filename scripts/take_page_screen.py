"""Take the picture of a report that the docs show, in a browser without a window.

python scripts/take_page_screen.py docs/images/report.png
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

import wsiseg
from wsiseg.demo.slide import build_demo_slide

SIZE = {"width": 1400, "height": 860}


def take(page: Path, picture: Path) -> None:
    """Save what a window shows, in few colours, as pictures stay in the repository for ever."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"))
        shown = browser.new_page(viewport=SIZE)
        shown.goto(page.as_uri())
        pixels = Image.open(io.BytesIO(shown.screenshot())).convert("RGB")
        browser.close()
    few = pixels.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(picture, optimize=True)


def main(picture: Path) -> None:
    """Segment the demonstration slide, and report on it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slide = build_demo_slide(folder / "biopsy.tiff")
        # The page shows the slide's path as it was given.
        with chdir(folder):
            wsiseg.segment(slide.name, None, "out", tile=1024)
            page = wsiseg.report("out").output.absolute()
        take(page, picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
