"""On the command line: look at a slide, segment a region of it, measure, export, report."""

import csv
import json
import shutil
from importlib.util import find_spec

import numpy as np
import pytest
import shapely
import zarr
from PIL import Image
from shapely.geometry import shape

from html_pages import read_page
from terminal import Desk
from wsiseg.tiling.bands import NO_LABEL

CORNERS = ((1000, 1700), (1450, 1700), (1450, 2150), (1000, 2150))
"""Of epidermis, in pixels of level 0."""
MPP = 0.499
NAMES = ("glass", "tissue", "nucleus")
MASK = "out/biopsy.ome.zarr"
SEGMENT = ("segment", "biopsy.svs", "--roi", "roi.geojson", "--runtime", "torch", "-o", "out")


@pytest.fixture
def desk(tmp_path, monkeypatch, real_slide):
    shutil.copy(real_slide, tmp_path / "biopsy.svs")
    roi = {
        "type": "Feature",
        "properties": {"objectType": "annotation", "name": "epidermis"},
        "geometry": {"type": "Polygon", "coordinates": [[*CORNERS, CORNERS[0]]]},
    }
    (tmp_path / "roi.geojson").write_text(json.dumps(roi))
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)


@pytest.mark.parametrize("typed", [False, pytest.param(True, marks=pytest.mark.long)])
def test_from_a_slide_to_numbers(desk, screens, typed):
    look_and_plan(desk, typed)
    desk.keep(screens, "plan")
    labels = segment(desk, typed)
    desk.keep(screens, "segment")
    counts = {name: int((labels == k).sum()) for k, name in enumerate(NAMES)}
    mm2 = {name: count * 0.5**2 / 1e6 for name, count in counts.items()}
    measure(desk, mm2, typed)
    export(desk, labels, mm2["nucleus"], typed)
    assert desk.enter("report", "out", typed=typed).status == 0
    page = desk.folder / "out" / "biopsy.report.html"
    assert f"{mm2['nucleus']:.6f}" in read_page(page).whole
    desk.keep(screens, "numbers")
    shutil.copy(desk.folder / "over.png", screens.path("overlay"))
    if screens.chosen:
        photograph(page, screens)


def look_and_plan(desk, typed):
    info = desk.enter("info", "biopsy.svs", typed=typed)
    assert "2220 × 2967 pixels" in info.text
    assert "0.499 µm/px" in info.text
    planned = desk.enter(*SEGMENT, "--dry-run", typed=typed)
    assert planned.status == 0
    assert planned.lines[-1] == "nothing was written"
    assert not (desk.folder / "out").exists()


def segment(desk, typed):
    """Segment the region, and be refused and passed by the second time; return the labels."""
    done = desk.enter(*SEGMENT, typed=typed)
    assert done.status == 0, done.text
    labels = zarr.open_array(desk.folder / "out" / "biopsy.ome.zarr" / "0", mode="r")[:]
    analysed = labels != NO_LABEL
    (line,) = (line for line in done.lines if line.startswith("classes"))
    # What is told is what lies there.
    for index, name in enumerate(NAMES):
        count = (labels == index).sum()
        assert f"{name} {count / analysed.sum():.1%} ({count * 0.5**2 / 1e6:.3f} mm²)" in line
    inside = np.zeros((2967, 2220), bool)
    inside[1700:2150, 1000:1450] = True
    assert analysed.mean() == pytest.approx(inside.mean(), rel=0.01)
    assert 0.03 < (labels == 2).sum() / analysed.sum() < 0.4
    kept = [desk.folder / "out" / name for name in ("biopsy.run.json", "biopsy.tiles.csv")]
    before = [file.read_bytes() for file in kept]
    again = desk.enter(*SEGMENT, typed=typed)
    assert again.status == 1
    assert "--resume continues, --overwrite replaces" in again.text
    assert desk.enter(*SEGMENT, "--resume", typed=typed).status == 0
    assert before == [file.read_bytes() for file in kept]
    return labels


def measure(desk, mm2, typed):
    measured = desk.enter("measure", MASK, "-o", "areas.csv", typed=typed)
    rows = csv.DictReader((desk.folder / "areas.csv").read_text().splitlines())
    found = {row["class"]: float(row["mm2"]) for row in rows}
    assert found == pytest.approx(mm2, rel=1e-6)
    for name, area in mm2.items():
        assert f"{name}: {area:.4f} mm²" in measured.text


def export(desk, labels, nuclei_mm2, typed):
    exported = desk.enter("export", MASK, "--to", "geojson", "-o", "biopsy.geojson", typed=typed)
    features = json.loads((desk.folder / "biopsy.geojson").read_text())["features"]
    assert f"{len(features)} objects" in exported.text
    nuclei = [
        shape(each["geometry"])
        for each in features
        if each["properties"]["classification"]["name"] == "nucleus"
    ]
    # In pixels of the slide, where QuPath puts them.
    area = sum(each.area for each in nuclei) * MPP**2 / 1e6
    assert area == pytest.approx(nuclei_mm2, rel=1e-3)
    region = shapely.Polygon(CORNERS).buffer(2)
    assert all(region.contains(each) for each in nuclei)
    drawn = desk.enter("export", MASK, "--to", "overlay", "-o", "over.png", typed=typed)
    assert drawn.status == 0
    picture = np.asarray(Image.open(desk.folder / "over.png").convert("RGB")).astype(int)
    rows, columns = (
        np.linspace(0, there - 1, here).round().astype(int)
        for there, here in zip(labels.shape, picture.shape, strict=False)
    )
    shown, blue = labels[np.ix_(rows, columns)], picture[..., 2] - picture[..., 0]
    assert blue[shown == 2].mean() > blue[shown == 1].mean() + 60


def photograph(page, screens):
    """Keep what a browser shows of a page, if there is one."""
    chromium = shutil.which("chromium")
    if chromium is None or find_spec("playwright") is None:
        return
    from playwright import sync_api as playwright

    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium)
        shown = browser.new_page(viewport={"width": 1280, "height": 720})
        shown.goto(page.as_uri())
        shown.screenshot(path=screens.path("report"), full_page=True)
        browser.close()
