"""Label images are opened as they stand, whoever wrote them."""

import numpy as np
import pytest
import zarr

from wsiseg.classes import LabelClass
from wsiseg.errors import AnnotationError
from wsiseg.store.label_images import is_store, open_label_image
from wsiseg.store.masks import MaskStore
from wsiseg.store.metadata import Placement
from wsiseg.tiling.bands import Band
from wsiseg.tiling.boxes import Box

CLASSES = [LabelClass("ground", (1, 2, 3)), LabelClass("gland", (4, 5, 6))]


@pytest.fixture
def mask(tmp_path):
    store = MaskStore(tmp_path / "a.ome.zarr", (1500, 1100), CLASSES)
    for top in (0, 1024):
        part = np.full((min(1024, 1500 - top), 1100), top > 0, np.uint8)
        store.write(Band(Box(top, 0, *part.shape), part, None))
    store.finish("a", Placement(0.8, 1.6), {"slide": "a.svs"})
    return tmp_path / "a.ome.zarr"


def test_a_mask_of_ours_is_what_was_written(mask):
    image = open_label_image(mask)
    assert [level.shape for level in image.levels] == [(1500, 1100), (750, 550)]
    assert image.classes == dict(enumerate(CLASSES))
    assert (image.unit, image.scale) == ("micrometer", pytest.approx(0.8))
    # From the centre of a slide's pixel of 0.5 µm to that of a working pixel of 0.8 µm.
    assert image.shift == pytest.approx((0.15, 0.15))
    assert image.notes.keys() == {"slide", "shards"}
    assert image.notes["slide"] == "a.svs"
    assert [each["shards"] for each in image.notes["shards"].values()] == [2, 1]
    np.testing.assert_array_equal(image.values[1020:1030, :2], [[0, 0]] * 4 + [[1, 1]] * 6)


def test_bare_metadata_and_leading_axes_are_understood(tmp_path):
    group = zarr.create_group(
        store=tmp_path,
        zarr_format=2,
        attributes={
            "multiscales": [
                {
                    "axes": [{"name": n} for n in ("t", "y", "x")],
                    "datasets": [
                        {
                            "path": "labels",
                            "coordinateTransformations": [
                                {"type": "scale", "scale": [1, 2, 2]},
                                {"type": "translation", "translation": [0, 7, 9]},
                            ],
                        }
                    ],
                    "coordinateTransformations": [{"type": "scale", "scale": [1, 10, 10]}],
                }
            ],
            "image-label": {"properties": [{"label-value": 3, "name": "lumen"}]},
        },
    )
    group.create_array("labels", data=np.full((1, 4, 5), 3, np.uint16), chunks=(1, 4, 5))
    image = open_label_image(tmp_path)
    assert (image.unit, image.scale, image.shift) == (None, 20.0, (70.0, 90.0))
    assert image.classes[3].name == "lumen"
    assert image.values.shape == (4, 5)
    assert (image.values[1:3, 1:4] == 3).all()


def test_a_damaged_chunk_is_an_error_of_ours(mask):
    shard = mask / "0" / "c" / "0" / "0"
    shard.write_bytes(b"damaged")
    with pytest.raises(AnnotationError, match=r"cannot be read.*a\.ome\.zarr"):
        _ = open_label_image(mask).values[:600, :600]


@pytest.mark.parametrize("content", ["nothing", "array", "no metadata", "no plane"])
def test_what_is_no_label_image_is_refused(tmp_path, content):
    path = tmp_path / "a.zarr"
    if content == "array":
        zarr.create_array(store=path, shape=(2, 2), dtype="uint8")
    elif content == "no metadata":
        zarr.create_group(store=path, attributes={"ome": {"image-label": {}}})
    elif content == "no plane":
        axes = [{"name": "y"}, {"name": "x"}]
        step = {"type": "scale", "scale": [1, 1]}
        datasets = [{"path": "0", "coordinateTransformations": [step]}]
        multiscales = [{"axes": axes, "datasets": datasets}]
        group = zarr.create_group(store=path, attributes={"ome": {"multiscales": multiscales}})
        group.create_array("0", data=np.zeros((2, 3, 4), np.uint8))
    with pytest.raises(AnnotationError) as caught:
        open_label_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_store_is_a_folder_with_metadata(mask, tmp_path):
    assert is_store(mask)
    assert not is_store(tmp_path)
