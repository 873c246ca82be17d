"""Every file of the test data, sound and broken: opened or refused as the table says."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wsiseg.errors import DamagedSlideError, WsisegError
from wsiseg.tiling import Box, open_slide
from wsiseg.tiling.slides import Slide, probe_readers
from wsiseg.tiling.slides.openslide import OpenSlideSlide
from wsiseg.tiling.slides.picture import PictureSlide

# One line a file.  Digests are those of the decoders that constraints.txt names.
TABLE = json.loads((Path(__file__).parent / "expected_slides.json").read_text(encoding="utf-8"))
OURS = [row["file"] for row in TABLE if row.get("reader") == "tifffile"]
TURNED = {f"large_image/test_orient{tag}.tif" for tag in range(2, 9)}
NOT_OPENSLIDES = TURNED | {"large_image/grey10kx5k.tif"}
# OpenSlide rounds twice where there is alpha.
ROUNDED = {"large_image/rgba_geotiff.tiff"}
TRANSPARENT_GREY = "large_image/small_la.tiff"


def digest(slide: Slide) -> str:
    """Return what the pixels in the middle of every level come to."""
    found = hashlib.sha256()
    for index, level in enumerate(slide.levels):
        box = Box(level.height // 3, level.width // 3, 64, 64)
        found.update(slide.read_region(index, box).tobytes())
    return found.hexdigest()[:16]


def test_every_file_is_in_the_table(data: Path) -> None:
    listed = {data / "slides" / row["file"] for row in TABLE}
    found = {path for path in (data / "slides").rglob("*") if path.is_file()}
    assert found <= listed
    assert all(path.is_dir() for path in listed - found)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["file"])
def test_a_file_is_what_the_table_says(row: dict, slide_file: Callable[[str], Path]) -> None:
    path = slide_file(row["file"])
    if "refused" in row:
        with pytest.raises(WsisegError) as caught:
            open_slide(path)
        assert type(caught.value).__name__ == row["refused"]
        assert row["says"] in caught.value.what
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        return
    with open_slide(path) as slide:
        assert slide.reader == row["reader"]
        assert [list(level.box.shape) for level in slide.levels] == row["levels"]
        assert slide.mpp == (row["mpp"] and pytest.approx(row["mpp"], rel=1e-5))
        assert slide.facts.mpp_source == row["source"]
        if "unreadable" in row:
            with pytest.raises(DamagedSlideError, match=re.escape(row["unreadable"])):
                digest(slide)
        else:
            assert digest(slide) == row["pixels"]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["file"])
def test_readers_are_judged_as_they_are_chosen(
    row: dict, slide_file: Callable[[str], Path]
) -> None:
    path = slide_file(row["file"])
    if row.get("refused") == "DamagedSlideError":
        return
    if "Olympus" in row.get("says", ""):
        with pytest.raises(WsisegError, match="Olympus"):
            probe_readers(path)
        return
    verdicts = probe_readers(path)
    assert [each.reader for each in verdicts] == ["omezarr", "tifffile", "openslide", "pillow"]
    assert all(each.why for each in verdicts)
    chosen = [each.reader for each in verdicts if each.chosen]
    assert chosen == ([row["reader"]] if "reader" in row else [])
    for each in verdicts:
        if each.takes:
            with open_slide(path, each.reader) as slide:
                assert slide.reader == each.reader
        else:
            with pytest.raises(WsisegError):
                open_slide(path, each.reader)


def test_grey_with_alpha_is_laid_on_glass_which_openslide_does_not_do(
    slide_file: Callable[[str], Path],
) -> None:
    path = slide_file(TRANSPARENT_GREY)
    with open_slide(path) as ours, OpenSlideSlide(path) as theirs:
        assert (ours.read_region(0, Box(0, 0, 1, 2)) == 255).all()
        assert (theirs.read_region(0, Box(0, 0, 1, 1)) == 0).all()
        assert "alpha" in ours.why


@pytest.mark.parametrize("name", [name for name in OURS if name != TRANSPARENT_GREY])
def test_tifffile_is_chosen_where_its_pixels_are_those_of_openslide(
    name: str, slide_file: Callable[[str], Path]
) -> None:
    path = slide_file(name)
    with open_slide(path) as ours:
        if name in NOT_OPENSLIDES:
            # It turns every tile of a turned picture in itself, and reads no strips.
            with PictureSlide(path) as picture:
                assert_equal_at(0, picture, ours, 0)
            return
        with OpenSlideSlide(path) as theirs:
            seen = len(theirs.levels)
            assert seen == (1 if ".ome." in name else len(ours.levels))
            assert theirs.levels == ours.levels[:seen]
            assert set(theirs.facts.associated) == set(ours.facts.associated)
            if name == "broken/unreadable.svs":
                with pytest.raises(DamagedSlideError):
                    theirs.read_region(0, theirs.levels[0].box)
                return
            for level in range(seen):
                assert_equal_at(level, theirs, ours, 1 if name in ROUNDED else 0)


def assert_equal_at(level: int, one: Slide, other: Slide, off: int) -> None:
    # Within a coarser level OpenSlide begins between two pixels, except at the very corner.
    box = Box(0, 0, *(min(700, edge) for edge in one.levels[level].box.shape))
    pixels = [slide.read_region(level, box).astype(int) for slide in (one, other)]
    assert np.abs(pixels[0] - pixels[1]).max() <= off
