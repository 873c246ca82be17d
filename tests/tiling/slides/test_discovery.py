"""Folders in which slides lie beside everything else."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from tiny import segment_tiny
from vendor_slides import hamamatsu_vms, mirax
from wsiseg.errors import SlideError, SlideNotFoundError
from wsiseg.tiling import open_slide
from wsiseg.tiling.slides import find_slides
from zarr_images import write_image


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)).save(path)
    return path


def names(found, folder):
    return [path.relative_to(folder).as_posix() for path in found.slides]


def test_slides_come_in_natural_order_and_the_rest_is_told_of(tmp_path):
    for name in ("s10.png", "s2.PNG", "S1.tif", "a.jpeg"):
        picture(tmp_path / name)
    for name in (
        "notes.txt",
        "a.csv",
        "b.xml",
        "c.geojson",
        ".hidden.png",
        "._s2.png",
        "Thumbs.db",
    ):
        (tmp_path / name).write_text("x")
    picture(tmp_path / "more" / "x.png")
    (tmp_path / "folder.svs").mkdir()
    found = find_slides([tmp_path])
    assert names(found, tmp_path) == ["a.jpeg", "S1.tif", "s2.PNG", "s10.png"]
    assert found.notes == (
        "passed over 4 files that are no slides: a.csv, b.xml, c.geojson, …",
        "passed over 2 folders (`recursive` looks into them): folder.svs, more",
    )
    found = find_slides([tmp_path], recursive=True)
    assert names(found, tmp_path) == ["a.jpeg", "more/x.png", "S1.tif", "s2.PNG", "s10.png"]
    assert len(found.notes) == 1


def test_links_that_lead_back_end_and_a_slide_is_taken_once(tmp_path):
    inside = picture(tmp_path / "a" / "x.png")
    (tmp_path / "a" / "back").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "same.png").symlink_to(inside)
    (tmp_path / "dangling.png").symlink_to(tmp_path / "none")
    found = find_slides([tmp_path, inside, str_path(tmp_path)], recursive=True)
    assert names(found, tmp_path) == ["a/x.png"]
    assert [path.name for _, path in found.skipped[:1]] == ["dangling.png"]


def str_path(path):
    return path / "a" / ".." / "a" / "x.png"


def test_what_belongs_to_one_slide_is_one_slide(tmp_path):
    whole = mirax(tmp_path)
    listed = hamamatsu_vms(tmp_path)
    found = find_slides([tmp_path], recursive=True)
    assert set(found.slides) == {whole, listed}
    assert not found.skipped
    for path in found.slides:
        open_slide(path).close()


def test_stores_are_slides_unless_they_are_masks(tmp_path):
    write_image(tmp_path / "image.ome.zarr", [np.full((3, 128, 128), 9, np.uint8)])
    slide = picture(tmp_path / "a.png")
    segment_tiny(slide, tmp_path, level=0)
    segment_tiny(slide, tmp_path / "b", level=0, with_image=True)
    segment_tiny(slide, tmp_path / "c", level=0, probabilities=True, uncertainty="margin")
    (tmp_path / "unfinished.ome.zarr" / "0").mkdir(parents=True)
    found = find_slides([tmp_path], recursive=True)
    assert names(found, tmp_path) == ["a.png", "image.ome.zarr"]
    masks = {path.name for kind, path in found.skipped if kind[0] == "store"}
    beside = {"a.probabilities.ome.zarr", "a.uncertainty.ome.zarr"}
    assert masks == {"a.ome.zarr", *beside, "unfinished.ome.zarr"}
    # Whoever names a store, means it.
    store = tmp_path / "b" / "a.ome.zarr"
    assert find_slides([store]).slides == (store,)
    assert find_slides([tmp_path / "image.ome.zarr"]).slides == (tmp_path / "image.ome.zarr",)


def test_a_dicom_series_is_one_slide_alone_and_in_a_folder(data, tmp_path):
    series = tmp_path / "cohort" / "patient"
    shutil.copytree(data / "slides" / "dicom_cmu1" / "cmu-1-small-region", series)
    picture(tmp_path / "cohort" / "b.png")
    assert find_slides([series]).slides == (series,)
    found = find_slides([tmp_path / "cohort"])
    assert names(found, tmp_path / "cohort") == ["b.png", "patient"]


@pytest.mark.parametrize("held", ["nothing", "text", "folder"])
def test_a_folder_without_slides_is_an_error_that_says_what_it_holds(tmp_path, held):
    expected = {"nothing": "empty", "text": "1 file that is no slide: a.txt", "folder": "deep"}
    if held == "text":
        (tmp_path / "a.txt").write_text("x")
    elif held == "folder":
        picture(tmp_path / "deep" / "a.png")
    with pytest.raises(SlideNotFoundError, match=expected[held]):
        find_slides([tmp_path])


def test_where_masks_go_is_not_looked_into(tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "out" / "overlay.png")
    found = find_slides([tmp_path], recursive=True, exclude=[tmp_path / "x" / ".." / "out"])
    assert names(found, tmp_path) == ["a.png"]


def test_files_addresses_and_what_is_missing_are_taken_as_they_are(tmp_path):
    odd = tmp_path / "slide.unknown"
    odd.write_bytes(b"x")
    given = [odd, tmp_path / "none.svs", type(tmp_path)("https://host/a.ome.zarr")]
    assert find_slides(given).slides == tuple(given)


def test_names_that_are_no_text_are_found(tmp_path):
    name = os.fsdecode(b"a\xff.png")
    picture(tmp_path / name)
    assert names(find_slides([tmp_path]), tmp_path) == [name]


def test_a_pattern_that_no_shell_has_expanded_stands_for_what_fits_it(tmp_path):
    for name in ("x/b10.svs", "x/b9.svs", "x/deep/c.svs", "x/notes.txt", "y/d.svs", "a[1].svs"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    found = find_slides([tmp_path / "x" / "*.svs"])
    assert names(found, tmp_path) == ["x/b9.svs", "x/b10.svs"]
    found = find_slides([tmp_path / "?" / "*"])
    assert names(found, tmp_path) == ["x/b9.svs", "x/b10.svs", "x/deep/c.svs", "y/d.svs"]
    assert found.notes == ("passed over 1 file that is no slide: notes.txt",)
    assert names(find_slides([tmp_path / "**" / "c.svs"]), tmp_path) == ["x/deep/c.svs"]
    # A folder fits as if it had been named; where masks go is not looked into.
    assert names(find_slides([tmp_path / "[y]"]), tmp_path) == ["y/d.svs"]
    found = find_slides([tmp_path / "*"], exclude=[tmp_path / "x"])
    assert names(found, tmp_path) == ["a[1].svs", "y/d.svs"]
    # What there is of that name is itself; with brackets, what there is not is a missing slide.
    assert names(find_slides([tmp_path / "a[1].svs"]), tmp_path) == ["a[1].svs"]
    assert names(find_slides([tmp_path / "b[1].svs"]), tmp_path) == ["b[1].svs"]
    for nothing in ("z*.svs", "x/*.txt", "y\0*"):
        with pytest.raises(SlideError) as told:
            find_slides([tmp_path / nothing])
        assert "pattern" in told.value.what
