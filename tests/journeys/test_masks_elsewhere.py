"""Masks as other programs see them."""

import json

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05.image import Image as ImageGroup
from ome_zarr_models.v05.image_label import ImageLabel
from PIL import Image
from yaozarrs import validate_zarr_store

import wsiseg
from tiny import tiny_checkpoint
from wsiseg.tiling.bands import NO_LABEL


@pytest.fixture
def slide(tmp_path):
    random = np.random.default_rng(1)
    coarse = Image.fromarray(random.integers(0, 200, (40, 60, 3), np.uint8))
    coarse.resize((2403, 1601), Image.Resampling.BICUBIC).save(tmp_path / "biopsy.png")
    return tmp_path / "biopsy.png"


def segment(slide, folder, **options):
    options = {"level": 0, "slide_mpp": 0.25, "runtime": "torch", **options}
    return wsiseg.segment(slide, tiny_checkpoint(), folder, **options)


def levels_of(store):
    group = zarr.open_group(store, mode="r")
    datasets = group.attrs["ome"]["multiscales"][0]["datasets"]
    return [np.asarray(group[d["path"]][:]) for d in datasets]


def test_two_validators_accept_a_mask(slide, tmp_path):
    mask = segment(slide, tmp_path / "out").mask
    label = ImageLabel.from_zarr(zarr.open_group(mask, mode="r"))
    assert label.ome_attributes.image_label is not None
    validate_zarr_store(str(mask))


def test_two_validators_accept_an_image_with_its_mask_and_what_stands_beside(slide, tmp_path):
    kept = {"probabilities": True, "uncertainty": "entropy"}
    result = segment(slide, tmp_path / "out", with_image=True, **kept)
    root = tmp_path / "out" / "biopsy.ome.zarr"
    assert result.mask == root / "labels" / "segmentation"
    beside = [tmp_path / "out" / f"biopsy.{name}.ome.zarr" for name in kept]
    for store in (root, *beside):
        ImageGroup.from_zarr(zarr.open_group(store, mode="r"))
        validate_zarr_store(str(store))
    assert len(levels_of(root)) == len(levels_of(result.mask))


def test_napari_ome_zarr_shows_colours_and_class_names(slide, tmp_path):
    reader = pytest.importorskip("napari_ome_zarr", reason="napari-ome-zarr is not installed")
    mask = segment(slide, tmp_path / "out").mask
    (layer,) = list(reader.napari_get_reader(str(mask))(str(mask)))
    data, settings, kind = layer
    assert kind == "labels"
    assert np.asarray(data[0]).shape == (1601, 2403)
    checkpoint = tiny_checkpoint()
    colours = settings["colormap"]
    for index, entry in enumerate(checkpoint.classes):
        np.testing.assert_allclose(
            np.asarray(colours[index])[:3], np.array(entry.colour) / 255, atol=1e-6
        )
    shown = settings["properties"] if "properties" in settings else settings["features"]
    assert {c.name for c in checkpoint.classes} <= set(shown["class"])


def test_every_level_holds_only_labels_of_level_0_and_halves_rounded_up(slide, tmp_path):
    finest, *coarser = levels_of(segment(slide, tmp_path / "out").mask)
    assert coarser
    for finer, level in zip([finest, *coarser], coarser, strict=False):
        assert level.shape == tuple(-(-side // 2) for side in finer.shape)
        assert set(np.unique(level)) <= set(np.unique(finest))
    assert max(coarser[-1].shape) <= 1024


def test_scale_and_translation_are_those_of_the_slide(slide, tmp_path):
    mask = segment(slide, tmp_path / "out", level=None, mpp=0.5).mask
    ome = zarr.open_group(mask, mode="r").attrs["ome"]
    (scales,) = ome["multiscales"]
    assert [axis["unit"] for axis in scales["axes"]] == ["micrometer", "micrometer"]
    for level, dataset in enumerate(scales["datasets"]):
        scale, translation = dataset["coordinateTransformations"]
        assert scale["scale"] == pytest.approx([0.5 * 2**level] * 2)
        # The centre of the first pixel, from the centre of the slide's first pixel.
        assert translation["translation"] == pytest.approx([(0.5 * 2**level - 0.25) / 2] * 2)


def test_shards_are_written_and_what_is_ours_stands_apart(slide, tmp_path):
    result = segment(slide, tmp_path / "out")
    assert result.labels.shards == (1024, 2560)
    assert result.labels.chunks == (512, 512)
    assert result.labels.metadata.dimension_names == ("y", "x")
    attributes = zarr.open_group(result.mask, mode="r").attrs
    assert attributes["wsiseg"]["slide"] == "biopsy.png"
    assert attributes["wsiseg"]["run"] == "biopsy.run.json"


def test_what_was_not_analysed_is_255_and_no_class(slide, tmp_path):
    tissue = np.zeros((16, 24), np.uint8)
    tissue[:4, :4] = 1
    Image.fromarray(tissue).save(tmp_path / "tissue.png")
    result = segment(slide, tmp_path / "out", tissue=str(tmp_path / "tissue.png"), tile=256, halo=8)
    labels = np.asarray(result.labels[:])
    assert (labels[:400, :400] < 5).all()
    # One pixel of the mask is 100 of the slide; tiles that touch tissue are analysed whole.
    assert (labels[800:] == NO_LABEL).all()
    analysed = int((labels != NO_LABEL).sum())
    assert sum(entry["pixels"] for entry in result.summary["classes"]) == analysed
    assert result.summary["megapixels"] == pytest.approx(analysed / 1e6)
    run = json.loads((tmp_path / "out" / "biopsy.run.json").read_text())
    assert run["not_analysed"]["pixels"] == labels.size - analysed


def test_the_image_beside_the_mask_is_the_slide(slide, tmp_path):
    segment(slide, tmp_path / "out", with_image=True)
    (finest, *_) = levels_of(tmp_path / "out" / "biopsy.ome.zarr")
    np.testing.assert_array_equal(finest.transpose(1, 2, 0), np.asarray(Image.open(slide)))
