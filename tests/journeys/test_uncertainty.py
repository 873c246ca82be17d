"""How uncertain a mask is, in a store beside it."""

import json

import numpy as np
import pytest
import zarr
from PIL import Image

import wsiseg
from commands import run
from tiny import tiny_checkpoint
from uncertain import allowed, defined
from wsiseg.errors import AnnotationError, UnsuitableSlideError
from wsiseg.store.label_images import open_label_image
from wsiseg.store.pyramid import halve_by_mean
from wsiseg.tiling.bands import NO_LABEL

CORNERS = [[610, 700], [900, 705], [900, 900], [700, 980], [610, 700]]


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    pixels = np.random.default_rng(0).integers(0, 60, (1400, 1100, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "slide.png")
    (folder / "roi.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [CORNERS]}))
    return folder / "slide.png"


def segment(slide, folder, **options):
    checkpoint = tiny_checkpoint()
    normalisation = checkpoint.card.normalisation.model_copy(update={"divide_first": 32.0})
    checkpoint.card = checkpoint.card.model_copy(update={"normalisation": normalisation})
    given = {"level": 0, "tissue": "none", "runtime": "torch", "tile": 256, "halo": 8}
    given |= {"force": True, **options}
    return wsiseg.segment(slide, checkpoint, folder, **given)


def levels(store):
    group = zarr.open_group(store, mode="r")
    return [np.asarray(group[str(level)][:]) for level in range(len(list(group.array_keys())))]


@pytest.mark.parametrize(("blend", "measure"), [("crop", "entropy"), ("gaussian", "margin")])
def test_it_is_that_of_the_probabilities_and_0_where_nothing_was_analysed(
    slide, tmp_path, blend, measure
):
    roi = slide.with_name("roi.geojson")
    options = {"blend": blend, "roi": roi, "uncertainty": measure}
    labels = np.asarray(segment(slide, tmp_path, probabilities=True, **options).labels[:])
    (probabilities, *_), (found, *_) = (
        levels(tmp_path / f"slide.{name}.ome.zarr") for name in ("probabilities", "uncertainty")
    )
    seen = labels != NO_LABEL
    assert found.shape == labels.shape
    assert found.dtype == np.uint8
    assert 0 < seen.mean() < 0.5
    assert not found[~seen].any()
    shares = probabilities[:, seen] / 255
    shares = shares / shares.sum(0) if measure == "entropy" else shares
    wrong = np.abs(found[seen] / 255 - defined(measure, shares))
    # Those that are blended are rounded once more where they are kept.
    assert wrong.max() <= (0 if blend == "crop" else allowed(measure, 5)) + 0.501 / 255
    assert found[seen].std() > 20
    # Probabilities need not be kept for it.
    segment(slide, tmp_path / "alone", **options)
    np.testing.assert_array_equal(
        levels(tmp_path / "alone" / "slide.uncertainty.ome.zarr")[0], found
    )
    assert not (tmp_path / "alone" / "slide.probabilities.ome.zarr").exists()


def test_it_lies_where_its_mask_lies_at_every_level(slide, tmp_path):
    options = {"level": None, "mpp": 0.27, "slide_mpp": 0.25, "uncertainty": "entropy"}
    mask = segment(slide, tmp_path, **options).mask
    store = tmp_path / "slide.uncertainty.ome.zarr"
    ours, theirs = (zarr.open_group(path, mode="r").attrs.asdict() for path in (store, mask))
    for key in ("axes", "datasets", "name"):
        assert ours["ome"]["multiscales"][0][key] == theirs["ome"]["multiscales"][0][key]
    notes = {key: value for key, value in theirs["wsiseg"].items() if key != "shards"}
    assert ours["wsiseg"] == {**notes, "holds": "uncertainty"}
    assert ours["wsiseg"]["uncertainty"] == "entropy"
    finest, *coarser = levels(store)
    assert coarser
    for finer, level in zip([finest, *coarser], coarser, strict=False):
        even = np.pad(finer, [(0, side % 2) for side in finer.shape], mode="edge")
        np.testing.assert_array_equal(level, halve_by_mean(even))
    array = zarr.open_array(store / "0", mode="r")
    assert array.shards == zarr.open_array(mask / "0", mode="r").shards
    assert array.metadata.dimension_names == ("y", "x")


def test_it_is_neither_a_mask_nor_a_slide(slide, tmp_path):
    segment(slide, tmp_path, level=None, mpp=2.0, slide_mpp=0.5, uncertainty="margin")
    store = tmp_path / "slide.uncertainty.ome.zarr"
    with pytest.raises(AnnotationError, match="the store holds uncertainty, not labels"):
        open_label_image(store)
    with pytest.raises(UnsuitableSlideError, match="the uncertainty of a mask, not a slide"):
        wsiseg.open_slide(store)
    for words in (
        ("info", store),
        ("export", store, "--to", "geojson", "-o", tmp_path / "a.geojson"),
        ("segment", slide, "-o", tmp_path / "b", "--level", 0, "--tissue", store),
        ("segment", store, "-o", tmp_path / "b"),
    ):
        outcome = run(*words)
        assert outcome.status == 1
        assert outcome.err.splitlines()[-1].startswith("error: th")
        assert "uncertainty" in outcome.err.splitlines()[-1]


def test_a_run_without_leaves_none_of_the_run_before(slide, tmp_path):
    options = {"level": None, "mpp": 2.0, "slide_mpp": 0.5}
    segment(slide, tmp_path, uncertainty="margin", **options)
    segment(slide, tmp_path, overwrite=True, **options)
    assert not (tmp_path / "slide.uncertainty.ome.zarr").exists()
