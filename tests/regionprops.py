"""Components of a whole mask by scikit-image, to compare with."""

import warnings

import numpy as np
from skimage.measure import label, regionprops


def components(labels, values=None):
    """Return regions of an array: of pixels that are connected by their sides, 255 left out."""
    numbered = label(np.where(labels == 255, 0, labels.astype(int) + 1), connectivity=1)
    return regionprops(numbered, intensity_image=values)


def assert_same(found, labels, values=None):
    """Assert that measured components are those of scikit-image, in its order."""
    expected = components(labels, values)
    assert len(found) == len(expected)
    assert found.labels.tolist() == [int(labels[tuple(each.coords[0])]) for each in expected]
    assert found.pixels.tolist() == [each.area for each in expected]
    assert found.boxes.tolist() == [list(each.bbox) for each in expected]
    assert found.centroids.tolist() == [list(each.centroid) for each in expected]
    with warnings.catch_warnings():
        # Of a hull without area, which no pixel has.
        warnings.simplefilter("error")
        assert found.solidities.tolist() == [each.solidity for each in expected]
    # The same steps, added up in another order.
    perimeters = [each.perimeter for each in expected]
    np.testing.assert_allclose(found.perimeters, perimeters, rtol=1e-13, atol=0)
    if values is not None:
        assert found.means.tolist() == [each.intensity_mean for each in expected]
