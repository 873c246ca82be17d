"""Whatever is handed in: one line, the right status, and nothing left that looks finished."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image

import wsiseg
from commands import run
from tiny import tiny_checkpoint
from wsiseg.errors import MemoryBudgetError, ResolutionError
from wsiseg.tiling.bands import NO_LABEL

FAILED, WRONG_USAGE = 1, 2


@pytest.fixture
def checkpoint(tmp_path):
    return tiny_checkpoint().save(tmp_path / "tiny.safetensors")


@pytest.fixture
def picture(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def refused(status, *command):
    result = run("segment", *command)
    assert result.status == status, result.err
    errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    return errors[0]


def looks_finished(folder):
    return list(folder.rglob("*.zarr/zarr.json"))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("empty.svs", "empty"),
        ("text_named.svs", "no reader"),
        ("notanimage.txt", "no reader"),
        ("broken.svs", "no reader"),
        ("cmu1_truncated_50pct.svs", "cut off"),
        ("cmu1_truncated_header.svs", "cut off"),
        ("truncated.jpg", "cannot be read"),
        ("unopenable.tiff", ""),
        ("unreadable.svs", "cannot be read"),
        ("czi/100x100.czi", "OpenSlide cannot open it"),
    ],
)
def test_broken_slides_fail_in_one_line(slide_file, checkpoint, tmp_path, name, says):
    out = tmp_path / "out"
    slide = slide_file(f"broken/{name}")
    line = refused(FAILED, slide, "-o", out, "-c", checkpoint, "--slide-mpp", 0.5)
    assert says in line
    assert str(slide) in line
    # Alone and refused, it leaves nothing; what was begun leaves its entry.
    begun = says == "cannot be read"
    assert {p.name for p in out.glob("*")} == ({"batch.json", "cohort.csv"} if begun else set())
    assert out.exists() == begun


def test_a_missing_slide(checkpoint, tmp_path):
    assert "no such slide" in refused(
        FAILED, tmp_path / "gone.svs", "-o", tmp_path / "out", "-c", checkpoint
    )


@pytest.mark.parametrize("content", [None, b"", b"text", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_checkpoint_that_is_none(picture, tmp_path, content):
    path = tmp_path / "bad.safetensors"
    if content is not None:
        path.write_bytes(content)
    out = tmp_path / "out"
    assert str(path) in refused(FAILED, picture, "-o", out, "-c", path, "--level", 0)
    assert not out.exists()


def test_a_class_count_that_does_not_match(picture, tmp_path):
    checkpoint = tiny_checkpoint(classes=5)
    card = checkpoint.card
    checkpoint.card = card.model_copy(update={"classes": card.classes[:4]})
    path = checkpoint.save(tmp_path / "four.safetensors")
    line = refused(FAILED, picture, "-o", tmp_path / "out", "-c", path, "--level", 0)
    assert "up.weight is (6, 5, 2, 2) instead of (6, 4, 2, 2)" in line


def test_an_output_that_stands(picture, checkpoint, tmp_path):
    command = (picture, "-o", tmp_path / "out", "-c", checkpoint, "--level", 0)
    assert run("segment", *command).status == 0
    before = (tmp_path / "out" / "picture.run.json").read_text()
    line = refused(FAILED, *command)
    assert "--resume" in line
    assert "--overwrite" in line
    assert (tmp_path / "out" / "picture.run.json").read_text() == before
    assert run("segment", *command, "--overwrite").status == 0


def test_a_file_where_the_folder_should_be(picture, checkpoint, tmp_path):
    (tmp_path / "out").write_text("in the way")
    line = refused(FAILED, picture, "-o", tmp_path / "out", "-c", checkpoint, "--level", 0)
    assert "not a folder" in line
    assert (tmp_path / "out").read_text() == "in the way"


def test_a_slide_without_resolution_is_refused_with_the_way_out(picture, checkpoint, tmp_path):
    command = (picture, "-o", tmp_path / "out", "-c", checkpoint)
    line = refused(FAILED, *command)
    assert "--slide-mpp" in line
    assert "--level 0" in line
    assert run("segment", *command, "--slide-mpp", 0.5).status == 0


def test_what_is_refused_before_anything_is_written_leaves_no_folder(picture, tmp_path):
    out = tmp_path / "some" / "where"
    with pytest.raises(ResolutionError):
        wsiseg.segment(picture, tiny_checkpoint(), out)
    with pytest.raises(MemoryBudgetError):
        wsiseg.segment(picture, tiny_checkpoint(), out, level=0, memory="10MB")
    nowhere = tiny_checkpoint(mpp=None).save(tmp_path / "nowhere.safetensors")
    assert "--mpp" in refused(WRONG_USAGE, picture, "-o", out, "-c", nowhere)
    assert not (tmp_path / "some").exists()


def test_an_absurd_resolution_is_refused(data, checkpoint, tmp_path):
    slide = data / "slides" / "openslide_python" / "boxes.tiff"
    line = refused(FAILED, slide, "-o", tmp_path / "out", "-c", checkpoint)
    assert "352.778" in line
    assert "--slide-mpp" in line


@pytest.mark.parametrize(
    "options",
    [
        ["--level", 0, "--mpp", 0.5],
        ["--mpp", 50],
        ["--blend", "median"],
        ["--memory", "much"],
        ["--runtime", "tensor"],
        ["--precision", "fp64"],
        ["--level", 0, "--tile", 64, "--halo", 32],
        ["--resume", "--overwrite"],
        ["--tile", "big"],
        ["--nonsense"],
    ],
)
def test_wrong_usage_is_2(picture, checkpoint, tmp_path, options):
    refused(WRONG_USAGE, picture, "-o", tmp_path / "out", "-c", checkpoint, *options)
    assert not looks_finished(tmp_path)


def test_a_level_that_the_slide_does_not_have(picture, checkpoint, tmp_path):
    line = refused(FAILED, picture, "-o", tmp_path / "out", "-c", checkpoint, "--level", 7)
    assert "It has 0 to 0." in line


def test_usage_without_slides_or_output_is_2(picture):
    assert "-o" in refused(WRONG_USAGE)
    assert "-o" in refused(WRONG_USAGE, picture)
    assert "no slide is named" in refused(WRONG_USAGE, "-o", picture.parent / "out")


def test_a_budget_that_nothing_fits(picture, checkpoint, tmp_path):
    out = tmp_path / "out"
    line = refused(FAILED, picture, "-o", out, "-c", checkpoint, "--level", 0, "--memory", "10MB")
    assert "MiB" in line
    assert "--memory" in line


@pytest.mark.parametrize(
    ("option", "name", "content"),
    [
        ("--roi", "roi.geojson", "{"),
        ("--tissue", "tissue.png", "no picture"),
        ("--roi", "gone", None),
    ],
)
def test_unusable_regions(picture, checkpoint, tmp_path, option, name, content):
    if content is not None:
        (tmp_path / name).write_text(content)
    out = tmp_path / "out"
    line = refused(
        FAILED, picture, "-o", out, "-c", checkpoint, "--level", 0, option, tmp_path / name
    )
    assert name in line
    assert not looks_finished(out)


@pytest.fixture
def partly_damaged(tmp_path):
    """Write a slide of 8×8 file tiles, one of which holds rubbish."""
    pixels = np.random.default_rng(0).integers(0, 200, (1024, 1024, 3), np.uint8)
    path = tmp_path / "damaged.tiff"
    tifffile.imwrite(path, pixels, tile=(128, 128), photometric="rgb", compression="zlib")
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        place, size = page.dataoffsets[27], page.databytecounts[27]
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\xff" * size)
    return path, pixels


@pytest.mark.parametrize(
    ("blend", "reader"),
    [("crop", "tifffile"), ("gaussian", "tifffile"), ("cosine", "tifffile"), ("crop", "openslide")],
)
def test_an_unreadable_tile_is_marked_listed_and_leaves_the_rest_as_it_was(
    partly_damaged, checkpoint, tmp_path, blend, reader
):
    import zarr

    path, pixels = partly_damaged
    clean = tmp_path / "clean.tiff"
    tifffile.imwrite(clean, pixels, tile=(128, 128), photometric="rgb", compression="zlib")
    options = ("-c", checkpoint, "--level", 0, "--tile", 144, "--halo", 8, "--tissue", "none")
    options += ("--blend", blend, "--reader", reader)
    labels = {}
    for slide in (clean, path):
        result = run(
            *("segment", slide, "-o", tmp_path / "out", *options, "--max-bad-tiles", 9, "--json")
        )
        assert result.status == 0, result.err
        store = tmp_path / "out" / f"{slide.stem}.ome.zarr" / "0"
        labels[slide] = np.asarray(zarr.open_array(store, mode="r")[:])
    (entry,) = json.loads(result.out)["slides"]
    unseen = labels[path] == NO_LABEL
    assert entry["unread_tiles"] > 0
    assert unseen[384:512, 384:512].all()
    assert unseen.mean() < 0.2
    np.testing.assert_array_equal(labels[path][~unseen], labels[clean][~unseen])
    run_file = json.loads((tmp_path / "out" / "damaged.run.json").read_text())
    assert sum("is not analysed" in text for text in run_file["warnings"]) == entry["unread_tiles"]
    assert not any("NaN or infinity" in text for text in run_file["warnings"])
    csv = (tmp_path / "out" / "damaged.tiles.csv").read_text()
    assert csv.count(",unread") == entry["unread_tiles"]


def test_too_many_unreadable_tiles_fail_the_slide(partly_damaged, checkpoint, tmp_path):
    path, _ = partly_damaged
    command = (path, "-o", tmp_path / "out", "-c", checkpoint, "--level", 0, "--tile", 144)
    assert "--max-bad-tiles" in refused(FAILED, *command, "--max-bad-tiles", 0, "--quiet")
    line = refused(FAILED, *command, "--on-bad-tile", "fail", "--quiet")
    assert "tile 27" in line
    assert not looks_finished(tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"batch.json", "cohort.csv"}


def test_a_disk_that_is_full_is_said_in_one_line(picture, checkpoint, tmp_path, monkeypatch):
    from wsiseg.store import masks

    def full(*arguments, **settings):
        raise OSError(28, "No space left on device", str(tmp_path))

    monkeypatch.setattr(masks, "create_array", full)
    line = refused(FAILED, picture, "-o", tmp_path / "out", "-c", checkpoint, "--level", 0)
    assert "No space left" in line
    assert not looks_finished(tmp_path / "out")
