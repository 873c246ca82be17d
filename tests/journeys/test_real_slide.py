"""The bundled checkpoint on a real Aperio slide of skin."""

import json

import numpy as np
import pytest
import zarr
from PIL import Image
from scipy import ndimage

from commands import run
from wsiseg.tiling.bands import NO_LABEL
from wsiseg.tiling.resolution import plane_at_mpp
from wsiseg.tiling.slides import open_slide
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


def test_nuclei_lie_in_tissue_and_glass_is_glass(slide, tmp_path):
    options = ("--tissue", "none", "--json")
    result = run("segment", slide, "-o", tmp_path / "out", *options)
    (entry,) = json.loads(result.out)["slides"]
    assert [entry["name"] for entry in entry["classes"]] == ["glass", "tissue", "nucleus"]
    labels = np.asarray(zarr.open_array(f"{entry['mask']}/0", mode="r")[:])
    with open_slide(slide) as opened:
        mask = find_tissue(opened, plane_at_mpp(opened, 0.5)).mask
    inside = np.asarray(Image.fromarray(mask).resize(labels.shape[::-1], Image.Resampling.NEAREST))
    assert (labels[~inside] == 0).mean() > 0.99
    assert (labels[~inside] == 2).mean() < 1e-3
    # The finder closes gaps of some 30 µm, and fills holes.
    closed = ndimage.binary_closing(labels[::4, ::4] != 0, iterations=8)
    tissue = ndimage.binary_fill_holes(closed).mean()
    assert abs(tissue - inside.mean()) < 0.05 * inside.mean()
    # Nuclei are a few per cent of skin, and more of its epidermis than of keratin.
    assert 0.02 < (labels[inside] == 2).mean() < 0.2
    epidermis, keratin = labels[1900:2300, 1050:1250], labels[1750:1850, 1330:1400]
    assert (epidermis == 2).mean() > 2 * (keratin == 2).mean()


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
