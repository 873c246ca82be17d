"""The bundled checkpoint on a real Aperio slide of skin."""

import json

import numpy as np
import pytest
import zarr

from commands import run
from wsiseg.tiling.resolution import plane_at_mpp
from wsiseg.tiling.slides import open_slide
from wsiseg.tiling.stitching import NO_LABEL
from wsiseg.tiling.tissue import find_tissue


@pytest.fixture
def slide(real_slide):
    return real_slide


@pytest.mark.parametrize(("mpp", "shape"), [("0.499", (2967, 2220)), ("1.0", (1481, 1108))])
def test_the_mask_lies_on_the_tissue(slide, tmp_path, mpp, shape):
    options = ("--mpp", mpp, "--tile", 256, "--halo", 32, "--json")
    result = run("segment", slide, "-o", tmp_path / "out", *options)
    assert result.status == 0, result.err
    (entry,) = json.loads(result.out)["slides"]
    labels = np.asarray(zarr.open_array(f"{entry['mask']}/0", mode="r")[:])
    assert labels.shape == shape
    with open_slide(slide) as opened:
        tissue = find_tissue(opened, plane_at_mpp(opened, float(mpp))).mask
    rows = np.arange(shape[0]) * tissue.shape[0] // shape[0]
    columns = np.arange(shape[1]) * tissue.shape[1] // shape[1]
    inside = tissue[np.ix_(rows, columns)]
    assert (labels[inside] != NO_LABEL).all()
    assert (labels == NO_LABEL).mean() > 0.2
    assert entry["classes"][0]["mm2"] is not None
    area = sum(c["mm2"] for c in entry["classes"])
    assert area == pytest.approx((labels != NO_LABEL).sum() * float(mpp) ** 2 / 1e6, rel=1e-3)


def test_glass_is_background_and_the_epidermis_is_not(slide, tmp_path):
    options = ("--tissue", "none", "--json")
    result = run("segment", slide, "-o", tmp_path / "out", *options)
    (entry,) = json.loads(result.out)["slides"]
    labels = np.asarray(zarr.open_array(f"{entry['mask']}/0", mode="r")[:])
    glass, epidermis = labels[200:500, 100:600], labels[1900:2300, 1050:1250]
    assert (glass == 0).mean() > 0.5
    assert (epidermis == 0).mean() < 0.1


def test_a_region_cuts_the_mask_to_the_pixel(slide, tmp_path):
    corners = [[600, 900], [1500, 900], [1500, 1700], [600, 1700], [600, 900]]
    roi = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [corners]}}
    (tmp_path / "roi.geojson").write_text(json.dumps(roi))
    options = ("--level", 0, "--roi", tmp_path / "roi.geojson", "--tissue", "none", "--json")
    result = run("segment", slide, "-o", tmp_path / "out", *options)
    (entry,) = json.loads(result.out)["slides"]
    labels = np.asarray(zarr.open_array(f"{entry['mask']}/0", mode="r")[:])
    expected = np.zeros(labels.shape, bool)
    expected[900:1700, 600:1500] = True
    np.testing.assert_array_equal(labels != NO_LABEL, expected)
