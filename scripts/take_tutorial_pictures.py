r"""Take the pictures of the tutorials: follow each page, and picture what it leaves.

PYTHONPATH=tests xvfb-run -a -s "-screen 0 1600x1000x24" \
    python scripts/take_tutorial_pictures.py docs/images/tutorials

Several trainings run to their end, which takes ten minutes on two cores.  A second folder keeps
what the pages leave, and those that it has are not followed again.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

from PIL import Image, ImageDraw
from take_page_screen import take as take_page
from take_screens import SIZE, raise_widget, wait
from take_screens import take as take_window

import wsiseg
from documents import Reader, blocks_of
from wsiseg.demo.sections import TISSUE
from wsiseg.viewer.window import open_window

ROOT = Path(__file__).resolve().parent.parent


def follow(name: str, folder: Path) -> None:
    """Type all that a tutorial says."""
    reader = Reader(folder, {})
    for block in blocks_of(ROOT / "docs" / "tutorials" / f"{name}.md"):
        reader.follow(block)


def save(picture: Image.Image, path: Path) -> None:
    """Save a picture, small, as pictures stay in the repository for ever."""
    picture.convert("RGB").save(path, quality=80, optimize=True)


def beside(pictures: Sequence[Image.Image], gap: int = 12) -> Image.Image:
    """Return pictures of one height beside each other."""
    width = sum(picture.width + gap for picture in pictures) - gap
    sheet = Image.new("RGB", (width, pictures[0].height), "white")
    left = 0
    for picture in pictures:
        sheet.paste(picture.convert("RGB"), (left, 0))
        left += picture.width + gap
    return sheet


def drawn(annotations: Path, height: int) -> Image.Image:
    """Return the slide with the areas that were drawn on it."""
    with Image.open(TISSUE) as slide:
        factor = height / slide.height
        picture = slide.convert("RGB").resize((round(slide.width * factor), height))
    pen = ImageDraw.Draw(picture)
    for feature in json.loads(annotations.read_text(encoding="utf-8"))["features"]:
        corners = [(factor * x, factor * y) for x, y in feature["geometry"]["coordinates"][0]]
        name, colour = feature["properties"]["classification"].values()
        pen.line(corners, fill=tuple(colour), width=4)
        pen.text(corners[0], name, fill="black", font_size=16)
    return picture


def main(target: Path, work: Path) -> None:
    """Take them all."""
    target.mkdir(parents=True, exist_ok=True)
    target = target.absolute()
    with chdir(work):
        for page in ("segment", "qupath", "cohort", "streets", "network"):
            folder = Path(page)
            if not folder.exists():
                folder.mkdir()
                with chdir(folder):
                    follow(page, Path())
        take_pictures(target)


def take_pictures(target: Path) -> None:
    """Picture what the pages have left in this folder."""
    save(Image.open("segment/biopsy.jpg"), target / "segment.jpg")

    found = Image.open("qupath/biopsy.jpg")
    areas = drawn(Path("qupath/drawn/biopsy.geojson"), found.height)
    save(beside([areas, found]), target / "qupath.jpg")

    with chdir("cohort"):
        take_page(Path("masks/report.html").absolute(), target / "cohort.png")

    scenes = (
        "CamVid/test/0.png",
        "labelled/0.overlay.jpg",
        "CamVid/test/1.png",
        "labelled/1.overlay.jpg",
    )
    four = [Image.open(Path("streets", scene)).resize((210, 158)) for scene in scenes]
    save(beside(four), target / "streets.jpg")

    labels = wsiseg.export("network/out/0.ome.zarr", "png", "network/0.png", overwrite=True)
    both = [Image.open(path) for path in ("network/fields/images/0.png", labels.output)]
    enlarged = [each.convert("RGB").resize((288, 288), Image.Resampling.NEAREST) for each in both]
    beside(enlarged).save(target / "network.png", optimize=True)

    with chdir("qupath"):
        viewer = open_window(Path("slides/biopsy.svs"), [])
        viewer.window.resize(*SIZE)
        # The window puts its first tab in front once it is shown.
        wait()
        training = raise_widget(viewer, "Fine-tune")
        training.use_folders(Path("slides"), Path("drawn"))
        training.run.choose(Path("run"))
        wait()
        take_window(viewer, target / "fine-tune.png")
        viewer.close()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as name:
            main(Path(sys.argv[1]), Path(name))
