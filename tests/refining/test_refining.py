"""`wsiseg refine`: a mask that stands, refined to a new one."""

import json
import shutil
from functools import partial

import numpy as np
import pytest
import zarr

import whole_array
import wsiseg
from commands import run
from stored_masks import CLASSES, draw_cells, write_mask
from wsiseg.errors import WsisegError
from wsiseg.exports.mask import open_mask
from wsiseg.refining.absorbing import absorb_small_areas
from wsiseg.refining.holes import Holes, fill_holes
from wsiseg.store.shard_counts import count_shards

LABELS = draw_cells(2100, 300, seed=3)
"""Three bands high."""


@pytest.fixture(scope="module")
def mask(tmp_path_factory):
    return write_mask(tmp_path_factory.mktemp("mask"), LABELS, slide_scale=2.0)


def level(store, number=0):
    return zarr.open_array(store / str(number), mode="r")[:]


def test_the_command_gives_what_the_definition_does(mask, tmp_path):
    output = tmp_path / "b.ome.zarr"
    words = ("--fill-holes", "30um2", "--min-area", "60um2", "--smooth", "1.5um")
    outcome = run("refine", mask, "-o", output, *words, "--json")
    assert outcome.status == 0, outcome.err
    holes = [Holes(label, frozenset(range(label)), 120) for label in (1, 2)]
    wanted = whole_array.smooth(LABELS, 3)
    for step in (partial(fill_holes, holes=holes), partial(absorb_small_areas, pixels=240)):
        (wanted,) = step(partial(iter, [wanted]))
    np.testing.assert_array_equal(level(output), wanted)
    content = json.loads(outcome.out)
    assert content["output"] == str(output)
    assert content["changed_pixels"] == (wanted != LABELS).sum() > 1000
    for entry, each in zip(content["classes"], CLASSES, strict=True):
        pixels = int((wanted == entry["index"]).sum())
        assert (entry["name"], entry["pixels"]) == (each.name, pixels)
        assert entry["mm2"] == pytest.approx(pixels * 0.25e-6, abs=1e-6)
    assert content["warnings"] == []
    np.testing.assert_array_equal(level(mask), LABELS)


def test_place_classes_and_notes_are_those_of_the_mask(mask, tmp_path):
    first, second = tmp_path / "b.ome.zarr", tmp_path / "c.ome.zarr"
    wsiseg.refine(mask, first, min_area="5um2")
    wsiseg.refine(first, second, smooth="1um", fill_holes={"gland": 20.0})
    before, after = open_mask(mask), open_mask(second)
    for name in ("side", "corner", "bounds", "stretch", "mpp", "shape", "slide"):
        assert getattr(before, name) == getattr(after, name), name
    assert before.classes == after.classes
    assert after.image.notes == {
        **before.image.notes,
        "shards": count_shards(second),
        "refined": [{"min_area": 5.0}, {"smooth": 1.0, "fill_holes": {"gland": 20.0}}],
    }
    attributes = [
        dict(zarr.open_group(each.store, mode="r").attrs)["ome"] for each in (before, after)
    ]
    for each in attributes:
        each["multiscales"][0].pop("name")
    assert attributes[0] == attributes[1]
    assert [each.shape for each in before.image.levels] == [
        each.shape for each in after.image.levels
    ]


def test_thresholds_read_the_probabilities_beside_the_mask(tmp_path):
    rng = np.random.default_rng(0)
    planes = rng.integers(0, 256, (3, 1300, 40), np.uint8)
    labels = planes.argmax(axis=0).astype(np.uint8)
    labels[:50], planes[:, :50] = 255, 0
    (tmp_path / "in").mkdir()
    mask = write_mask(tmp_path / "in", labels, probabilities=planes)
    outcome = run("refine", mask, "-o", tmp_path / "b.ome.zarr", "--threshold", "gland=0.7")
    assert outcome.status == 0, outcome.err
    others = np.where(planes[0] >= planes[2], 0, 2)
    tied = (planes[0] == planes[2]) & (labels == 2)
    wanted = np.where(planes[1] >= 179, 1, np.where(tied, 2, others))
    wanted[:50] = 255
    np.testing.assert_array_equal(level(tmp_path / "b.ome.zarr"), wanted)
    wsiseg.refine(mask, tmp_path / "c.ome.zarr", threshold={"gland": 0.7}, min_area=1.0)
    cleaned = level(tmp_path / "c.ome.zarr")
    (wanted,) = absorb_small_areas(lambda: iter([wanted.astype(np.uint8)]), 4)
    np.testing.assert_array_equal(cleaned, wanted)


def test_a_label_image_of_another_program(tmp_path):
    """16 bits, sparse labels, a ground without a name, and away from the slide's corner."""
    labels = LABELS[:700, :300].astype(np.uint16)
    labels[labels == 2] = 7
    labels[labels == 255] = 0
    store = tmp_path / "other.ome.zarr"
    group = zarr.create_group(store=store)
    group.create_array("s0", data=labels)
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [
            {
                "axes": [
                    {"name": name, "type": "space", "unit": "millimeter"} for name in ("y", "x")
                ],
                "datasets": [
                    {
                        "path": "s0",
                        "coordinateTransformations": [
                            {"type": "scale", "scale": [0.0005, 0.0005]},
                            {"type": "translation", "translation": [0.1, 0.2]},
                        ],
                    }
                ],
            }
        ],
        "image-label": {
            "version": "0.5",
            "properties": [
                {"label-value": 1, "class": "gland"},
                {"label-value": 7, "class": "tumour"},
            ],
        },
    }
    output = tmp_path / "b.ome.zarr"
    wsiseg.refine(store, output, min_area="20um2")
    (wanted,) = absorb_small_areas(lambda: iter([labels.astype(np.uint8)]), 80)
    np.testing.assert_array_equal(level(output), wanted)
    before, after = open_mask(store), open_mask(output)
    assert after.mpp == pytest.approx(before.mpp)
    assert after.corner == pytest.approx(before.corner)
    assert {value: each.name for value, each in after.classes.items()} == {1: "gland", 7: "tumour"}


def test_a_mask_with_the_image_around_it_gives_the_mask_alone(mask, tmp_path):
    around = tmp_path / "around.ome.zarr"
    shutil.copytree(mask, around / "labels" / "segmentation")
    for group in (around, around / "labels"):
        (group / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    for number, source in enumerate((mask, around)):
        wsiseg.refine(source, tmp_path / f"{number}.ome.zarr", min_area=9)
    for number in range(2):
        one, other = (level(tmp_path / f"{which}.ome.zarr", number) for which in range(2))
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("share", [0.0, 0.7])
def test_what_is_stopped_leaves_no_half_mask(mask, tmp_path, error, share):
    output = tmp_path / "b.ome.zarr"
    wsiseg.refine(mask, output, min_area=9)
    before = level(output)

    def stop(done):
        if done >= share:
            raise error

    for where, overwrite in ((output, True), (tmp_path / "c.ome.zarr", False)):
        with pytest.raises((error, WsisegError)):
            wsiseg.refine(mask, where, overwrite=overwrite, progress=stop, smooth=2)
    assert [path.name for path in tmp_path.iterdir()] == ["b.ome.zarr"]
    np.testing.assert_array_equal(level(output), before)


def test_progress_comes_to_its_end(mask, tmp_path):
    heard = []
    wsiseg.refine(mask, tmp_path / "b.ome.zarr", progress=heard.append, smooth=1, min_area=2)
    assert heard == sorted(heard)
    assert heard[-1] == 1


def test_an_existing_mask_is_replaced_only_if_that_is_wanted(mask, tmp_path):
    output = tmp_path / "b.ome.zarr"
    assert run("refine", mask, "-o", output, "--min-area", "5um2").status == 0
    outcome = run("refine", mask, "-o", output, "--min-area", "5um2")
    assert outcome.status == 1
    assert outcome.err == (
        f"error: the output already exists ({output}). --overwrite replaces it.\n"
    )
    assert run("refine", mask, "-o", output, "--min-area", "9um2", "--overwrite").status == 0
    assert open_mask(output).image.notes["refined"] == [{"min_area": 9.0}]
    foreign = tmp_path / "c.ome.zarr"
    foreign.mkdir()
    (foreign / "mine.txt").write_text("mine")
    outcome = run("refine", mask, "-o", foreign, "--min-area", "5um2", "--overwrite")
    assert outcome.err.startswith("error: the output already exists and is not a mask that")
    assert (foreign / "mine.txt").read_text() == "mine"


def unfinished(folder):
    return write_mask(folder, LABELS[:60], finish=False)


def unscaled(folder):
    return write_mask(folder, LABELS[:60], mpp=None)


def plain(folder):
    return write_mask(folder, LABELS[:60])


def damaged(folder):
    path = write_mask(folder, LABELS[:60])
    (path / "0" / "c" / "0" / "0").write_bytes(b"damaged")
    return path


@pytest.mark.parametrize(
    ("make", "words", "status", "what"),
    [
        (unfinished, "-o b.ome.zarr --min-area 5um2", 1, "the mask is unfinished (in/a.ome.zarr)"),
        (unscaled, "-o b.ome.zarr --min-area 5um2", 1, "--min-area is given in µm, and the µm per"),
        (damaged, "-o b.ome.zarr --min-area 5um2", 1, "the store's pixels cannot be read"),
        (plain, "-o b.ome.zarr", 2, "there is nothing to do. Give --threshold, --smooth, --fill-h"),
        (plain, "-o b.ome.zarr --threshold gland=0.5", 1, "there are no probabilities beside the"),
        (plain, "-o b.ome.zarr --threshold glnd=0.5", 2, "there is no class 'glnd' (--thresh"),
        (plain, "-o b.ome.zarr --fill-holes a=5um2", 2, "there is no class 'a' (--fill-holes"),
        (plain, "-o in/a.ome.zarr --overwrite --min-area 5um2", 1, "the output would replace the"),
        (plain, "-o in/a.ome.zarr/b.ome.zarr --min-area 5um2", 1, "the output would replace the"),
        (
            plain,
            "-o b.zarr --min-area 5um2",
            2,
            "the name of a mask must end with .ome.zarr (--outp",
        ),
        (
            plain,
            "-o b.probabilities.ome.zarr --min-area 5um2",
            2,
            "the name of a mask must end with",
        ),
        (plain, "-o b.uncertainty.ome.zarr --min-area 5um2", 2, "the name of a mask must end with"),
        (plain, "-o none/b.ome.zarr --min-area 5um2", 1, "there is no such folder (none)"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(tmp_path, monkeypatch, make, words, status, what):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    before = make(tmp_path / "in").relative_to(tmp_path)
    outcome = run("refine", before, *words.split())
    assert outcome.status == status
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"error: {what}")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a.ome.zarr"]
