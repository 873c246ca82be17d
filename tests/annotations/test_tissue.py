"""Label images as masks of tissue."""

import numpy as np
import pytest
import zarr
from PIL import Image

from tiny import segment_tiny
from tissue_places import has_tissue
from wsiseg.annotations import read_tissue
from wsiseg.errors import AnnotationError, WsisegError
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.resolution import plane_at_level


@pytest.fixture
def slide(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 420, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with open_slide(tmp_path / "a.png") as opened:
        yield opened


@pytest.mark.parametrize("with_image", [False, True])
def test_a_mask_of_ours_is_tissue_where_it_has_a_label(slide, tmp_path, with_image):
    mask = segment_tiny(slide.path, tmp_path / "out", level=0, with_image=with_image)
    labels = zarr.open_array(mask / "0", mode="r+")
    drawn = np.zeros((300, 420), np.uint8)
    drawn[100:140, 300:350] = 3
    drawn[200:, :100] = 255
    labels[:] = drawn
    plane = plane_at_level(slide, 0)
    store = tmp_path / "out" / "a.ome.zarr"
    found = read_tissue(store, slide, plane)
    np.testing.assert_array_equal(found.mask, drawn == 3)
    assert found.plane == (300, 420)
    assert has_tissue(found, Box(120, 320, 4, 4))
    assert not has_tissue(found, Box(220, 20, 40, 40))


def test_fine_labels_are_kept_when_several_become_one(slide, tmp_path, monkeypatch):
    from wsiseg.annotations import tissue

    monkeypatch.setattr(tissue, "_FINEST_EDGE", 50)
    monkeypatch.setattr(tissue, "_BLOCK", 64)
    mask = segment_tiny(slide.path, tmp_path / "out", level=0)
    labels = zarr.open_array(mask / "0", mode="r+")
    drawn = np.zeros((300, 420), np.uint8)
    drawn[7, 411] = drawn[299, 0] = 1
    labels[:] = drawn
    found = read_tissue(mask, slide, plane_at_level(slide, 0))
    assert max(found.mask.shape) <= 50
    assert found.mask.sum() <= 8
    assert has_tissue(found, Box(7, 411, 1, 1))
    assert has_tissue(found, Box(299, 0, 1, 1))
    assert not has_tissue(found, Box(100, 100, 100, 200))


def test_other_folders_and_masks_of_larger_slides_are_refused(slide, tmp_path):
    with pytest.raises(AnnotationError, match="it is a folder"):
        read_tissue(tmp_path, slide, plane_at_level(slide, 0))
    Image.new("RGB", (900, 900), (200, 90, 160)).save(tmp_path / "b.png")
    mask = segment_tiny(tmp_path / "b.png", tmp_path / "out", level=0)
    with pytest.raises(WsisegError, match="cover 900×900"):
        read_tissue(mask, slide, plane_at_level(slide, 0))


def test_a_run_takes_a_store(slide, tmp_path):
    first = segment_tiny(slide.path, tmp_path / "out", level=0)
    drawn = np.zeros((300, 420), np.uint8)
    zarr.open_array(first / "0", mode="r+")[:] = drawn
    second = segment_tiny(slide.path, tmp_path / "again", level=0, tissue=str(first))
    assert (zarr.open_array(second / "0", mode="r")[:] == 255).all()
