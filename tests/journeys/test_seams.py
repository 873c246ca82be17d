import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

import wsiseg
from tiny import REACH, label_whole, tiny_checkpoint

sizes = st.one_of(st.integers(1, 3), st.integers(4, 200))


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def segment(pixels: np.ndarray, folder: Path, **options: object) -> np.ndarray:
    Image.fromarray(pixels).save(folder / "slide.png")
    settings = {"level": 0, "tissue": "none", "runtime": "torch", "overwrite": True, **options}
    result = wsiseg.segment(folder / "slide.png", tiny_checkpoint(), folder / "out", **settings)
    return np.asarray(result.labels[:])


def whole(pixels: np.ndarray) -> np.ndarray:
    return label_whole(tiny_checkpoint(), torch.from_numpy(pixels)).numpy()


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, st.sampled_from([24, 40, 64]), st.integers(REACH, 11))
@example(1, 1, 24, 8)
@example(1, 157, 24, 8)
@example(199, 2, 40, 8)
@example(65, 129, 64, 8)
def test_cropped_tiles_give_the_labels_of_the_whole_image(height, width, tile, halo):
    pixels = noise(height, width)
    halo = min(halo, 8) if tile == 24 else halo
    with tempfile.TemporaryDirectory() as folder:
        found = segment(pixels, Path(folder), tile=tile, halo=halo)
    np.testing.assert_array_equal(found, whole(pixels))


def test_a_halo_that_is_too_small_shows(tmp_path):
    pixels = noise(200, 200)
    assert (segment(pixels, tmp_path, tile=24, halo=0) != whole(pixels)).any()


@pytest.mark.parametrize(
    ("blend", "tta"), [("crop", False), ("gaussian", False), ("cosine", False), ("crop", True)]
)
def test_batch_readers_and_stripes_do_not_change_a_pixel(tmp_path, blend, tta, monkeypatch):
    pixels = noise(150, 330)
    options = {"tile": 40, "halo": 8, "blend": blend, "tta": tta}
    options |= {"probabilities": True, "uncertainty": "entropy"}
    expected = segment(pixels, tmp_path, **options)
    beside = read_beside(tmp_path)
    variations = ({"batch": 3}, {"readers": 4}, {"threads": 1}, {"batch": 7, "readers": 1})
    for variation in variations[: 1 if tta else None]:
        np.testing.assert_array_equal(segment(pixels, tmp_path, **options, **variation), expected)
    monkeypatch.setattr("wsiseg.segmentation.covering.SHARD_WIDTH", 64)
    monkeypatch.setattr("wsiseg.segmentation.covering._ways_to_cut", cut_in_three)
    np.testing.assert_array_equal(segment(pixels, tmp_path, **options), expected)
    np.testing.assert_array_equal(read_beside(tmp_path), beside)


def cut_in_three(plane):
    from wsiseg.tiling.boxes import Box

    yield tuple(
        Box(0, left, plane.height, right - left) for left, right in [(0, 64), (64, 192), (192, 330)]
    )


def read_beside(folder: Path) -> np.ndarray:
    """Return probabilities and uncertainty as planes."""
    import zarr

    stores = (
        folder / "out" / f"slide.{name}.ome.zarr" for name in ("probabilities", "uncertainty")
    )
    planes = [np.asarray(zarr.open_array(store / "0", mode="r")[:]) for store in stores]
    return np.concatenate([planes[0], planes[1][None]])


def test_openvino_and_torch_agree(tmp_path):
    pytest.importorskip("openvino", reason="OpenVINO is an extra")
    pixels = noise(130, 170)
    options = {"tile": 64, "halo": 8}
    ours = segment(pixels, tmp_path, **options, runtime="openvino")
    assert (ours == segment(pixels, tmp_path, **options)).mean() >= 0.9999


def test_a_resampled_slide_is_labelled_at_the_working_resolution(tmp_path):
    pixels = noise(120, 90)
    found = segment(pixels, tmp_path, level=None, mpp=1.0, slide_mpp=0.4, tile=32, halo=8)
    assert found.shape == (48, 36)
    assert len(np.unique(found)) > 1


@pytest.mark.parametrize("blend", ["crop", "gaussian"])
def test_pixels_without_numbers_are_not_analysed_and_said(tmp_path, blend):
    checkpoint = tiny_checkpoint()
    with torch.no_grad():
        checkpoint.network.up.weight.fill_(torch.nan)
    Image.fromarray(noise(60, 40)).save(tmp_path / "slide.png")
    options = {"level": 0, "tissue": "none", "runtime": "torch", "blend": blend}
    result = wsiseg.segment(tmp_path / "slide.png", checkpoint, tmp_path / "out", **options)
    assert (np.asarray(result.labels[:]) == 255).all()
    run = json.loads((tmp_path / "out" / "slide.run.json").read_text())
    assert any("NaN or infinity for 2400 pixels" in text for text in run["warnings"])


def test_tiles_do_not_change_a_resampled_slide(tmp_path):
    pixels = noise(500, 430)
    scale = {"level": None, "mpp": 0.5, "slide_mpp": 0.43, "halo": 8}
    coarse, fine = (segment(pixels, tmp_path, tile=tile, **scale) for tile in (1024, 48))
    np.testing.assert_array_equal(coarse, fine)
