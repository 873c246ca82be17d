"""Colours as a user requests for them: segment --icc and --stain, and references on the disk."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

import wsiseg
from array_slide import ArraySlide
from commands import run
from tiny import tiny_checkpoint
from wsiseg.errors import OutputError, StainError
from wsiseg.models.checkpoint import Checkpoint
from wsiseg.segmentation import colouring
from wsiseg.segmentation.batch import segment_batch
from wsiseg.segmentation.colouring import read_reference, recolour
from wsiseg.segmentation.options import SegmentOptions
from wsiseg.tiling.colour import METHODS, ColourOptions, estimate_stains
from wsiseg.training import open_data
from wsiseg.training.data_options import DataOptions
from wsiseg.training.datasets.open_samples import OpenSample
from wsiseg.training.datasets.working_resolution import WorkingResolution
from zarr_images import write_image

OPTIONS = {"runtime": "torch", "tissue": "none", "level": 0, "tile": 128}


def draw_tissue(seed=0, strength=1.0):
    """Return a picture of two stains in stripes on glass."""
    random = np.random.default_rng(seed)
    amounts = random.uniform(0.3, 1.0, (300, 400, 2)) * strength
    amounts[:, :100] = 0
    amounts[:, 100:200, 0] = amounts[:, 200:300, 1] = 0
    light = np.exp(-amounts @ np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]]))
    return np.rint(255 * light).astype(np.uint8)


def write(path, pixels):
    tifffile.imwrite(path, pixels, tile=(128, 128), photometric="rgb")
    return path


def labels(mask):
    return zarr.open_array(mask / "0", mode="r")[:]


@pytest.mark.parametrize("method", METHODS)
def test_a_slide_is_segmented_as_if_it_had_been_written_in_those_colours(tmp_path, method):
    pixels = draw_tissue()
    seen = recolour(ArraySlide(pixels, mpp=None), ColourOptions(stain=method), pytest.fail)
    other = seen.read_region(0, seen.levels[0].box)
    checkpoint = tiny_checkpoint(mpp=None)
    plain = wsiseg.segment(write(tmp_path / "a.tiff", pixels), checkpoint, tmp_path, **OPTIONS)
    asked = wsiseg.segment(
        write(tmp_path / "b.tiff", pixels), checkpoint, tmp_path, stain=method, **OPTIONS
    )
    wanted = wsiseg.segment(write(tmp_path / "c.tiff", other), checkpoint, tmp_path, **OPTIONS)
    np.testing.assert_array_equal(labels(asked.mask), labels(wanted.mask))
    assert (labels(asked.mask) != labels(plain.mask)).any()
    noted = json.loads((tmp_path / "b.run.json").read_text())["identity"]["colours"]
    assert noted == json.loads(json.dumps([step.describe() for step in seen.steps]))


def test_a_run_is_not_gone_on_with_in_other_colours(tmp_path):
    path = write(tmp_path / "a.tiff", draw_tissue())
    checkpoint = tiny_checkpoint(mpp=None)
    wsiseg.segment(path, checkpoint, tmp_path, **OPTIONS)
    with pytest.raises(OutputError, match="another `icc`, `stain` or"):
        wsiseg.segment(path, checkpoint, tmp_path, stain="macenko", resume=True, **OPTIONS)


def test_without_a_profile_there_is_a_warning_and_nothing_changes(tmp_path):
    path = write(tmp_path / "a.tiff", draw_tissue())
    wsiseg.segment(path, tiny_checkpoint(mpp=None), tmp_path, icc=True, **OPTIONS)
    noted = json.loads((tmp_path / "a.run.json").read_text())
    assert any("no ICC profile" in text for text in noted["warnings"])
    assert noted["identity"]["colours"] is None


@pytest.mark.parametrize("method", METHODS)
def test_a_reference_is_kept_on_the_disk(tmp_path, method):
    reference = write(tmp_path / "lab.tiff", draw_tissue(seed=1, strength=1.6))
    kept = tmp_path / "lab.json"
    found = run("stain", reference, "-o", kept, "--method", method, "--json")
    assert found.status == 0, found.err
    with wsiseg.open_slide(reference) as slide:
        look = estimate_stains(slide, method)
    assert read_reference(kept, method) == read_reference(reference, method) == look
    slide = ArraySlide(draw_tissue(), mpp=None)
    seen = recolour(slide, ColourOptions(stain=method, reference=kept), pytest.fail)
    before, after = (each.read_region(0, each.levels[0].box) for each in (slide, seen))
    wanted = draw_tissue(seed=0, strength=1.6)
    assert (
        np.abs(after.astype(int) - wanted).mean() < np.abs(before.astype(int) - wanted).mean() / 2
    )
    for words in (["-o", tmp_path / "lab"], ["-o", kept, "--method", "makenko"]):
        assert run("stain", reference, *words).status == 2
    again = run("stain", reference, "-o", kept)
    assert again.status == 1
    assert "exists" in again.err


REINHARD = '{"method": "reinhard", "icc": %s, "mean": [1, 1, 1], "deviation": [1, %s, 1]}'
MACENKO = (
    '{"method": "macenko", "icc": %s, "colours": [[0.6, 0.8, 0], [0, 1, 0]], "strengths": [1, %s]}'
)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("{", "not a stain reference"),
        ('{"method": "macenko"}', "not a stain reference"),
        ('{"method": "macenko", "colours": [[1]], "strengths": [1]}', "not a stain reference"),
        (REINHARD % ("false", 1), "is of reinhard"),
        (REINHARD % ("false", 0), "not a stain reference"),
        (MACENKO % ("true", 1), "made with `icc`"),
        (MACENKO % ("false", "NaN"), "not a stain reference"),
    ],
)
def test_what_is_no_reference_is_refused(tmp_path, content, line):
    path = tmp_path / "lab.json"
    path.write_text(content)
    with pytest.raises(StainError, match=line):
        read_reference(path, "macenko")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--stain", "makenko"], "'makenko' is not one of the choices (--stain)"),
        (["--stain-reference", "lab.json"], "Add --stain"),
        (["--stain", "macenko", "--stain-reference", "nowhere.json"], "nowhere.json"),
    ],
)
def test_wrong_words_are_one_line(tmp_path, words, line):
    path = write(tmp_path / "a.tiff", draw_tissue())
    found = run("segment", path, "-o", tmp_path / "out", "--level", "0", *words)
    assert found.status in (1, 2)
    assert line in found.err


def test_a_reference_is_read_once_for_a_batch(tmp_path, monkeypatch):
    slides = [write(tmp_path / f"{seed}.tiff", draw_tissue(seed)) for seed in range(3)]
    reference = write(tmp_path / "lab.tiff", draw_tissue(seed=9, strength=1.6))
    looked_at = []

    def look(slide, *how):
        looked_at.append(slide.path.name)
        return estimate_stains(slide, *how)

    monkeypatch.setattr(colouring, "estimate_stains", look)
    options = SegmentOptions(**OPTIONS, stain="macenko", stain_reference=reference)
    checkpoint = tiny_checkpoint(mpp=None)
    entries = segment_batch(slides, checkpoint, tmp_path / "out", **dict(options))
    assert [entry["status"] for entry in entries] == ["ok"] * 3
    assert looked_at == ["lab.tiff", "0.tiff", "1.tiff", "2.tiff"]
    # Another content under the same name is another reference.
    write(reference, draw_tissue(seed=10))
    with wsiseg.open_slide(reference) as slide:
        assert read_reference(reference, "macenko") == estimate_stains(slide, "macenko")


def test_a_wrong_reference_is_refused_before_any_slide(tmp_path):
    slides = [write(tmp_path / f"{seed}.tiff", draw_tissue(seed)) for seed in range(2)]
    glass = write(tmp_path / "lab.tiff", np.full((200, 200, 3), 250, np.uint8))
    words = ["--level", "0", "--stain", "macenko", "--stain-reference", glass]
    found = run("segment", *slides, "-o", tmp_path / "out", *words)
    assert found.status == 1
    assert len([line for line in found.err.splitlines() if line.startswith("error")]) == 1
    assert "lab.tiff" in found.err
    assert not (tmp_path / "out").exists()


def test_an_ome_zarr_slide_may_be_a_reference(tmp_path):
    pixels = draw_tissue(seed=1)
    write_image(tmp_path / "lab.ome.zarr", [np.moveaxis(pixels, -1, 0)])
    with wsiseg.open_slide(tmp_path / "lab.ome.zarr") as slide:
        look = estimate_stains(slide, "reinhard")
    colours = ColourOptions(stain="reinhard", reference=tmp_path / "lab.ome.zarr")
    seen = recolour(ArraySlide(draw_tissue(), mpp=None), colours, pytest.fail)
    assert seen.steps[0].describe()["reference"] == asdict(look)


def test_samples_are_learnt_from_in_those_colours(tmp_path):
    folders = [tmp_path / name for name in ("images", "labels")]
    for folder in folders:
        folder.mkdir()
    pixels = draw_tissue()
    Image.fromarray(pixels).save(folders[0] / "a.png")
    Image.fromarray(np.zeros(pixels.shape[:2], np.uint8)).save(folders[1] / "a.png")
    options = DataOptions(
        images=folders[0], labels=folders[1], class_map="0=a,1=b", stain="macenko", icc=True
    )
    (sample,) = open_data(options).samples
    with OpenSample(sample, WorkingResolution()) as opened:
        found = opened.pixels(opened.plane.box)
        assert any("no ICC profile" in note for note in opened.notes)
    seen = recolour(ArraySlide(pixels, mpp=None), ColourOptions(stain="macenko"), pytest.fail)
    np.testing.assert_array_equal(found, seen.read_region(0, seen.levels[0].box))


@pytest.mark.long
def test_a_large_slide_and_a_small_one_of_the_same_tissue_look_alike(tmp_path):
    random = np.random.default_rng(7)
    # Nuclei of 6 µm on stroma, at 0.5 µm per pixel, which an overview of a large slide blurs.
    cells = np.kron(random.random((170, 170)) < 0.3, np.ones((12, 12)))[:2000, :2000, None]
    amounts = np.concatenate([1.2 * cells, 0.7 * (1 - cells)], -1)
    light = np.exp(-amounts @ np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]]))
    pixels = np.rint(255 * light).astype(np.uint8)
    small, large = ArraySlide(pixels[:500, :500]), ArraySlide(np.tile(pixels, (3, 3, 1)))
    for method in METHODS:
        one, other = (asdict(estimate_stains(slide, method)) for slide in (small, large))
        for name, values in one.items():
            np.testing.assert_allclose(values, other[name], rtol=0.1, atol=0.02)


@pytest.mark.parametrize(
    ("learnt", "asked", "warning"),
    [
        ({}, {}, None),
        ({"icc": False, "stain": "macenko"}, {"stain": "macenko"}, None),
        (
            {"icc": True, "stain": "macenko"},
            {},
            "by their ICC profile and normalised by macenko, and sees them as they are",
        ),
        ({"icc": False, "stain": None}, {"stain": "reinhard"}, None),
        ({"stain": "macenko"}, {"stain": "reinhard"}, "sees them normalised by reinhard"),
    ],
)
def test_other_colours_than_the_network_learnt_from_are_told_of(tmp_path, learnt, asked, warning):
    checkpoint = tiny_checkpoint(mpp=None)
    card = checkpoint.card.model_copy(update={"training": learnt})
    path = write(tmp_path / "a.tiff", draw_tissue())
    wsiseg.segment(path, Checkpoint(card, checkpoint.network), tmp_path, **asked, **OPTIONS)
    warnings = json.loads((tmp_path / "a.run.json").read_text())["warnings"]
    told = [text for text in warnings if "was trained on colours" in text]
    assert bool(told) == bool(warning)
    assert not warning or warning in told[0]
