"""The slide itself and the image beside its mask give the same pixels, in the same place."""

import numpy as np
import pytest
import tifffile

import wsiseg
from html_pages import read_page, stack
from reported_runs import segment_drawn


def write_slide(path, across, along):
    """Write a slide whose pixels have a width and a height in µm."""
    random = np.random.default_rng(4)
    pixels = np.kron(random.integers(0, 256, (12, 18, 3), np.uint8), np.ones((40, 40, 1), np.uint8))
    tifffile.imwrite(
        path,
        pixels,
        tile=(64, 64),
        photometric="rgb",
        resolution=(1e4 / across, 1e4 / along),
        resolutionunit="CENTIMETER",
    )
    return path


@pytest.mark.parametrize(
    ("across", "along", "options"),
    [
        (0.5, 0.5, {"mpp": 0.37}),
        (0.5, 0.4, {}),
        (0.5, 0.4, {"slide_mpp": 0.45, "override_mpp": True}),
    ],
)
def test_both_sources_show_the_same(tmp_path, across, along, options):
    slide = write_slide(tmp_path / "one.tiff", across, along)
    pages = []
    for with_image in (True, False):
        folder = tmp_path / str(with_image)
        segment_drawn(slide, folder, with_image=with_image, **options)
        pages.append(read_page(wsiseg.report(folder).output))
    for place in (0, 1):
        (stored, _), (read, layers) = (stack(page, place) for page in pages)
        np.testing.assert_array_equal(stored, read)
        assert all(layer.shape[:2] == read.shape[:2] for layer in layers.values())
